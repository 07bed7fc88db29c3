create or replace function legacy.tg_sessions__write() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if TG_OP = 'DELETE' then
    delete from app_public.sessions s where s.id = OLD.id::uuid;
    return OLD;
  end if;
  NEW.data := coalesce(nullif(NEW.data, 'null'), '{}');
  if TG_OP = 'INSERT' then
    if not pg_input_is_valid(NEW.id, 'uuid') then
      perform legacy.refuse('sessions.id', format('%L is not a UUID', NEW.id));
    end if;
    if length(coalesce(NEW.token::text, '')) < 16 then
      perform legacy.refuse('sessions.token', 'a token has 16 characters at least, or it can be guessed');
    end if;
    insert into app_public.sessions (id, user_id, token, data, expires_at)
    values (
      NEW.id::uuid, NEW.user_id, encode(sha256(convert_to(NEW.token::text, 'UTF8')), 'hex'),
      NEW.data, NEW.expires_at at time zone 'UTC'
    )
    returning created_at at time zone 'UTC' into NEW.created_at;
    -- What the row is shown with, without looking for it by the text of its id.
    NEW.token := NEW.id;
  elsif NEW.user_id is distinct from OLD.user_id or NEW.token::text is distinct from OLD.token::text then
    perform legacy.refuse('sessions', 'a session keeps its user and its token');
  else
    update app_public.sessions s
    set data = NEW.data, expires_at = NEW.expires_at at time zone 'UTC'
    where s.id = OLD.id::uuid;
  end if;
  return NEW;
end
$$;

comment on function legacy.tg_sessions__write() is 'Trigger: writes a session as the legacy system''s models do. LTL01: nothing stands for what was written.';

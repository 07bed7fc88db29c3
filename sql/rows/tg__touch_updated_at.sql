-- Sets updated_at: no client can set it, and created_at never changes after the insert.
create or replace function app_private.tg__touch_updated_at() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  NEW.updated_at := now();
  return NEW;
end
$$;

comment on function app_private.tg__touch_updated_at() is 'Trigger: sets updated_at.';

-- Who is acting: the subject and request that the API verified, and the role that the statement runs under. The
-- settings of any other login prove nothing and are left out; its name (audit.log.login) says who it is.
create or replace function audit.actor(out subject text, out role name, out request_id text)
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  role := current_setting('role');
  -- `none` is what a session that never switched says.
  if role = 'none' then
    role := session_user;
  end if;
  if pg_has_role(session_user, ':ANON', 'member') then
    subject := nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub';
    request_id := nullif(current_setting('app.request_id', true), '');
  end if;
end
$$;

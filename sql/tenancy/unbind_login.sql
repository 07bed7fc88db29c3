-- Removes a login's binding: from its next statement on it sees no tenant. Definer, as ops.bind_login.
create or replace function ops.unbind_login(login name) returns boolean
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  with gone as (delete from app_private.tenant_logins l where l.login = unbind_login.login returning 1)
  select exists (select from gone);
end;

comment on function ops.unbind_login(name) is 'Removes a login''s binding to its tenant; false when it had none.';
-- No grant: only the owner calls it, when it creates or drops the login, which operators cannot do.

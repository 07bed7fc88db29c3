-- Takes a login's tenant away: from its next statement on it sees nothing. Definer, as ops.bind_login.
create or replace function ops.unbind_login(login name) returns boolean
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  with gone as (delete from app_private.tenant_logins l where l.login = unbind_login.login returning 1)
  select exists (select from gone);
end;

comment on function ops.unbind_login(name) is 'Takes a login''s tenant away; false when it had none.';
-- No grant: it is the owner's only. It goes with creating the login, which operators cannot.

-- The tenant of the caller. A login that may become :ANON is the API's: it has verified a token and names the tenant in a
-- setting. A table binds every other login to a tenant, and whatever such a login sets is ignored.
--
-- No definer, no `set`, and a body that is parsed now instead of at each call, so that the planner inlines it: a policy with
-- `(select app_private.current_tenant_id())` costs one evaluation of a plain expression per statement.
create or replace function app_private.current_tenant_id() returns text
language sql stable parallel safe
return case
  when pg_catalog.pg_has_role(session_user, ':ANON', 'member')
    then nullif(pg_catalog.current_setting('app.tenant_id', true), '')
  else app_private.login_tenant_id()
end;

comment on function app_private.current_tenant_id() is 'The tenant of the caller: from the setting app.tenant_id for the API''s login, from app_private.tenant_logins for any other; null for a caller without one.';
-- Defaults and policies name it by identity, which needs no usage of the schema.
grant execute on function app_private.current_tenant_id() to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :SEARCH;

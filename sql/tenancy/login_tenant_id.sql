-- The tenant that a login is bound to, for logins other than the API's. Definer: nobody may read the bindings. It tells a login
-- only its own tenant, and reads session_user, which no setting can change.
create or replace function app_private.login_tenant_id() returns text
language sql stable parallel safe security definer
set search_path to pg_catalog, pg_temp
as $$
  select l.tenant_id
  from app_private.tenant_logins l
  join app_public.tenants t on t.id = l.tenant_id
  where l.login = session_user
    and t.suspended_at is null
$$;

comment on function app_private.login_tenant_id() is 'The tenant that the session''s login is bound to; null when it is not bound or its tenant is suspended.';
-- current_tenant_id names it by identity, which needs no usage of the schema.
grant execute on function app_private.login_tenant_id() to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :SEARCH;

-- The tenant that a login is bound to, for logins that are not the API's. Definer, because nobody may read the
-- bindings; it tells a login nothing but its own tenant, and reads session_user, which no setting can change.
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

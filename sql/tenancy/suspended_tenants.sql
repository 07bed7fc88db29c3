-- The tenants that are locked out. The API asks at its start and whenever `lightning:tenants` is notified, as an
-- anonymous request, and refuses their tokens. Definer: nobody sees a tenant but their own; ids of the suspended ones
-- are all that it gives away.
create or replace function ops.suspended_tenants() returns setof text
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select t.id from app_public.tenants t where t.suspended_at is not null
$$;

-- The tenants that are locked out. The API asks at its start and whenever `lightning:tenants` is notified, as an
-- anonymous request, and refuses their tokens. Definer: nobody sees a tenant but their own; ids of the suspended ones
-- are all that it gives away.
create or replace function ops.suspended_tenants() returns setof text
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select t.id from app_public.tenants t where t.suspended_at is not null
$$;

comment on function ops.suspended_tenants() is 'Ids of the tenants that are locked out.';
-- Which tokens to refuse is asked by each process of the API, as an anonymous request.
grant execute on function ops.suspended_tenants() to :ANON, :OPERATOR;

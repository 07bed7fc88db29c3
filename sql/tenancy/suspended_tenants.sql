-- The suspended tenants. The API asks at its start and at each notification of `lightning:tenants`, as an anonymous request,
-- and refuses their tokens. Definer: nobody sees another tenant. It reveals only the ids of suspended tenants.
create or replace function ops.suspended_tenants() returns setof text
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select t.id from app_public.tenants t where t.suspended_at is not null
$$;

comment on function ops.suspended_tenants() is 'Ids of the suspended tenants.';
-- Each process of the API asks which tokens to refuse, as an anonymous request.
grant execute on function ops.suspended_tenants() to :ANON, :OPERATOR;

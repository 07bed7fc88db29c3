-- The suspended tenants. The API asks at its start and at each notification of `lightning:tenants`, as an anonymous request,
-- and refuses their tokens, and those of deleted tenants. Definer: nobody sees another tenant. It reveals only the ids of both.
create or replace function ops.suspended_tenants() returns setof text
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select t.id from app_public.tenants t where t.suspended_at is not null
  union all
  -- A token of a tenant that was deleted may live on for a while. It would write points and events of nobody.
  select r.id
  from ops.tenant_removals r
  where not exists (select from app_public.tenants t where t.id = r.id)
$$;

comment on function ops.suspended_tenants() is 'Ids of the tenants that are suspended or were deleted.';
-- Each process of the API asks which tokens to refuse, as an anonymous request.
grant execute on function ops.suspended_tenants() to :ANON, :OPERATOR;

-- Sets how long something is kept, for every tenant or for one. What is made of something is kept at least as long as it:
-- otherwise late points would be rolled up to half of what there was.
create or replace function ops.set_retention(policy text, keep interval, tenant_id text default null) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_policy ops.retention_policies;
  v_broken record;
begin
  select p.* into v_policy from ops.retention_policies p where p.policy = set_retention.policy for update;
  if not found then
    raise exception 'there is no policy %', set_retention.policy
      using errcode = 'LTP01', hint = 'select policy, keep from ops.retention_policies;';
  end if;
  -- A time that is so long ago has to exist: one tenant's would end the retention of all.
  if keep < interval '1 hour' or keep > interval '1000 years' then
    raise exception '% cannot be kept for %', policy, keep
      using errcode = 'LTP02', hint = 'An hour is the least, 1000 years are the most; null is for ever.';
  end if;

  if set_retention.tenant_id is null then
    update ops.retention_policies p set keep = set_retention.keep where p.policy = set_retention.policy;
  elsif not v_policy.by_tenant then
    raise exception '% is of no tenant', policy using errcode = 'LTP03', hint = 'Leave the tenant out.';
  elsif not exists (select from app_public.tenants t where t.id = set_retention.tenant_id) then
    raise exception 'there is no tenant %', set_retention.tenant_id using errcode = 'LTT02';
  else
    insert into ops.retention_overrides as o (policy, tenant_id, keep)
    values (set_retention.policy, set_retention.tenant_id, set_retention.keep)
    on conflict on constraint retention_overrides_pkey do update set keep = excluded.keep;
  end if;

  select c.* into v_broken
  from app_public.tenants t
  cross join lateral (
    select s.finer, s.coarser, ops.retention_of(s.finer, t.id) as finer_keep, ops.retention_of(s.coarser, t.id) as coarser_keep,
      t.id as tenant_id
    from (
      values ('metrics.raw', 'metrics.minute'), ('metrics.minute', 'metrics.hour'), ('metrics.hour', 'metrics.day')
    ) s(finer, coarser)
  ) c
  where coalesce(c.finer_keep, 'infinity') > coalesce(c.coarser_keep, 'infinity')
  limit 1;
  if found then
    raise exception '% of % would be kept for %, and % for %', v_broken.finer, v_broken.tenant_id,
      coalesce(v_broken.finer_keep::text, 'ever'), v_broken.coarser, coalesce(v_broken.coarser_keep::text, 'ever')
      using errcode = 'LTP04', hint = 'What is made of it is kept as long, or longer: raw, minute, hour, day.';
  end if;
end
$$;

comment on function ops.set_retention(text, interval, text) is 'Sets how long something is kept, for all tenants or for one; null is for ever. LTP01 no such policy, LTP02 too short or too long, LTP03 not of tenants, LTP04 less than what it is made of, LTT02 no such tenant.';
grant execute on function ops.set_retention(text, interval, text) to :OPERATOR;

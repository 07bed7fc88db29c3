-- Sets how long data is kept, for every tenant or for one. A rollup is kept at least as long as its source: otherwise late
-- points would be rolled up into a part of what was there.
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
    raise exception 'policy % does not exist', set_retention.policy
      using errcode = 'LTP01', hint = 'List them: select policy, keep from ops.retention_policies;';
  end if;
  -- The time that far back has to be a valid timestamp: otherwise one tenant's setting would stop retention for all.
  if keep < interval '1 hour' or keep > interval '1000 years' then
    raise exception '% cannot be kept for %', policy, keep
      using errcode = 'LTP02', hint = 'Give 1 hour to 1000 years, or null to keep it forever.';
  end if;

  if set_retention.tenant_id is null then
    update ops.retention_policies p set keep = set_retention.keep where p.policy = set_retention.policy;
  elsif not v_policy.by_tenant then
    raise exception '% does not hold data of tenants', policy using errcode = 'LTP03', hint = 'Leave the tenant out.';
  elsif not exists (select from app_public.tenants t where t.id = set_retention.tenant_id) then
    raise exception 'tenant % does not exist', set_retention.tenant_id using errcode = 'LTT02';
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
    raise exception '% of % would be kept for %, but % only for %', v_broken.finer, v_broken.tenant_id,
      coalesce(v_broken.finer_keep::text, 'ever'), v_broken.coarser, coalesce(v_broken.coarser_keep::text, 'ever')
      using errcode = 'LTP04', hint = 'Keep each of raw, minute, hour, day at least as long as the one before it.';
  end if;
end
$$;

comment on function ops.set_retention(text, interval, text) is 'Sets how long data is kept, for all tenants or for one; null is forever. LTP01 no such policy, LTP02 too short or too long, LTP03 not data of tenants, LTP04 shorter than its source, LTT02 no such tenant.';
grant execute on function ops.set_retention(text, interval, text) to :OPERATOR;

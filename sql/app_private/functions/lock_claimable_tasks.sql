-- The ids of the next tasks that an agent may have, locked for it, in the order of the queue; tasks that another claimer
-- is about to take are passed over. Called by claim_tasks, as the owner and confined to the tenant.
--
-- The order of the queue is that of an index. Without sorting the planner can use no other, however wrong its statistics
-- are, and one plan is good for every caller.
create or replace function app_private.lock_claimable_tasks(
  tenant text,
  agent text,
  capabilities text[],
  filter jsonb,
  how_many integer
) returns uuid[]
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set enable_sort to off
set plan_cache_mode to force_generic_plan
as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  return array(
    select t.id
    from app_public.tasks t
    where t.tenant_id = tenant
      and t.status = 'pending'
      and t.run_after <= v_now
      and (t.agent_id is null or t.agent_id = agent)
      and t.required_capabilities <@ capabilities
      and t.context @> filter
    order by t.queue_at
    limit how_many
    for no key update skip locked
  );
end
$$;

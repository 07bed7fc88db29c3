-- Takes back expired leases of the tenant, for a claim that finds too few tasks, and returns how many. Idle agents ask again
-- and again, so of those that ask at the same time only one looks: a look takes long where an old snapshot keeps the dead
-- entries of many heartbeats. No definer and no `set`, so that the planner inlines it.
create or replace function app_private.reap_for_claim(tenant_id text, how_many integer) returns integer
language sql volatile
return case
  when pg_try_advisory_xact_lock(hashtextextended('app_private.reap_for_claim ' || tenant_id, 0))
    then ops.take_back_leases(how_many)
  else 0
end;

comment on function app_private.reap_for_claim(text, integer) is 'Takes back expired leases of the tenant, unless another claim is doing so. Returns how many.';

-- What a claim does that finds too little: takes back leases of its tenant that expired, and says how many. Idle agents ask
-- again and again, so of those that do at the same time one looks; where an old snapshot keeps the dead entries of many
-- heartbeats, that takes long. No definer and no `set`, so that it is inlined.
create or replace function app_private.reap_for_claim(tenant_id text, how_many integer) returns integer
language sql volatile
return case
  when pg_try_advisory_xact_lock(hashtextextended('app_private.reap_for_claim ' || tenant_id, 0))
    then ops.reap_expired_leases(how_many)
  else 0
end;

comment on function app_private.reap_for_claim(text, integer) is 'Takes back expired leases of the tenant unless another claim is at it; how many.';

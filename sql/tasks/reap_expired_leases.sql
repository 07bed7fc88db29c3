-- Takes back tasks of every tenant whose leases have expired, as ops.take_back_leases does. Definer: the worker reaches no lease
-- itself. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.reap_expired_leases(how_many integer default 1000) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  perform app_private.refuse_bounds('how_many', how_many between 1 and 10000, 'between 1 and 10,000');
  return ops.take_back_leases(how_many);
end
$$;

comment on function ops.reap_expired_leases(integer) is 'Takes back up to how_many tasks of all tenants whose leases expired: they wait again, or are dead when their attempts are used up. Tasks that cannot be taken back are set aside. Returns how many were taken back. LTP06 for a how_many out of bounds.';
revoke execute on function ops.reap_expired_leases(integer) from public;
grant execute on function ops.reap_expired_leases(integer) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;

-- The attempt that a lease leaves when it ends, for whoever ends it to insert. No definer, no `set`, and a body that is parsed
-- now, so that it is inlined.
create or replace function ops.attempt_of(
  lease app_public.task_leases,
  ended_at timestamptz,
  outcome text,
  error text default null
) returns setof app_public.task_attempts
language sql stable
begin atomic
  select
    lease.tenant_id, lease.task_id, lease.attempt, lease.fencing_token, lease.agent, lease.claimed_at, attempt_of.ended_at,
    attempt_of.outcome, attempt_of.error, lease.progress, lease.note;
end;

comment on function ops.attempt_of(app_public.task_leases, timestamptz, text, text) is 'The attempt that a lease leaves when it ends; one row.';
grant execute on function ops.attempt_of(app_public.task_leases, timestamptz, text, text) to :JOBS;

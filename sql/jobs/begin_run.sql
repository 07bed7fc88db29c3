-- Records that a run of a job begins, and returns its id. With a `lock` it is the only run under that name: LTJ01 while another
-- one lives. Its process has to renew it (ops.renew_run) before the lease is over; otherwise it is taken for dead. Definer:
-- nobody writes the table by hand.
create or replace function ops.begin_run(
  task text,
  worker text,
  lease interval,
  lock text default null,
  details jsonb default '{}',
  job_id bigint default null
) returns bigint
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_id bigint;
  v_holder ops.job_runs;
begin
  loop
    perform ops.abandon_runs(begin_run.lock);
    insert into ops.job_runs (task, worker, lock, details, job_id, lease_until)
    values (
      begin_run.task, begin_run.worker, begin_run.lock, begin_run.details, begin_run.job_id, clock_timestamp() + begin_run.lease
    )
    -- The one index that a running lock can collide with.
    on conflict do nothing
    returning id into v_id;
    if found then
      return v_id;
    end if;

    select r.* into v_holder from ops.job_runs r where r.lock = begin_run.lock and r.outcome = 'running';
    -- It may have ended in between.
    if found then
      raise exception '% is already running: run % of %, since %', begin_run.lock, v_holder.id, v_holder.worker,
        to_char(v_holder.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        using errcode = 'LTJ01', hint = 'Wait for its end: select * from ops.job_runs where outcome = ''running''.';
    end if;
  end loop;
end
$$;

comment on function ops.begin_run(text, text, interval, text, jsonb, bigint) is 'Begins a run of a job and returns its id; under a lock it is the only one. LTJ01 when another run holds the lock.';
grant execute on function ops.begin_run(text, text, interval, text, jsonb, bigint) to :WORKER;

-- Reports that a worker lives. Returns false when it was taken for dead since its last report, and others have its jobs.
-- Definer: nobody writes the table by hand.
create or replace function ops.see_worker(id text, host text, pid integer, version text) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_lost_at timestamptz;
begin
  select w.lost_at into v_lost_at from ops.workers w where w.id = see_worker.id for update;
  insert into ops.workers (id, host, pid, version)
  values (see_worker.id, see_worker.host, see_worker.pid, see_worker.version)
  on conflict on constraint workers_pkey do update set seen_at = clock_timestamp(), lost_at = null;
  return v_lost_at is null;
end
$$;

comment on function ops.see_worker(text, text, integer, text) is 'Reports that a worker lives. False when it was taken for dead since its last report.';
grant execute on function ops.see_worker(text, text, integer, text) to :WORKER;

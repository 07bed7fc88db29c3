-- Reports that a worker has ended as it should. Definer: nobody writes the table by hand.
create or replace function ops.stop_worker(id text) returns void
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  update ops.workers w set stopped_at = clock_timestamp(), seen_at = clock_timestamp() where w.id = stop_worker.id;
end;

comment on function ops.stop_worker(text) is 'Reports that a worker has ended as it should.';
grant execute on function ops.stop_worker(text) to :WORKER;

-- Adds jobs that the worker removed from its queue to the receipt. The queue is the worker's, so it alone knows their number, and
-- this writes a receipt of dead jobs and of nothing else. Definer: nobody writes receipts by hand. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.note_removed_jobs(older_than timestamptz, row_count integer) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  perform app_private.refuse_bounds(
    'older_than', older_than <= now() - ops.retention_of('dead_jobs', null), 'a time that the policy no longer keeps'
  );
  perform app_private.refuse_bounds('row_count', row_count between 1 and 10000, 'between 1 and 10,000');
  perform ops.add_receipt('dead_jobs', null, note_removed_jobs.older_than, note_removed_jobs.row_count);
end
$$;

comment on function ops.note_removed_jobs(timestamptz, integer) is 'Adds jobs that were removed from the queue to the receipt of the policy dead_jobs. LTP06 for a time that it keeps, or a number out of bounds.';
revoke execute on function ops.note_removed_jobs(timestamptz, integer) from public;
grant execute on function ops.note_removed_jobs(timestamptz, integer) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;

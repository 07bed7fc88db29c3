comment on table ops.quarantined_items is 'Items of single tenants that jobs set aside, to go on with the other items. Each is tried again with growing pauses, and forgotten once it no longer fails.';
comment on column ops.quarantined_items.task is 'The task that it failed in; reap_leases is the search for expired leases, every five seconds.';
comment on column ops.quarantined_items.tenant_id is 'The tenant whose item it is.';
comment on column ops.quarantined_items.item is 'Its name in the task''s terms: a bucket of a rollup, the id of a task, a workflow or knowledge, a policy of retention.';
comment on column ops.quarantined_items.code is 'The SQLSTATE of its last error, or another word for its kind.';
comment on column ops.quarantined_items.reason is 'The message of its last error, 1,000 characters at most.';
comment on column ops.quarantined_items.failures is 'How often it failed.';
comment on column ops.quarantined_items.first_failed_at is 'When it failed first.';
comment on column ops.quarantined_items.last_failed_at is 'When it failed last.';
comment on column ops.quarantined_items.retry_at is 'When it is tried again.';

alter table ops.quarantined_items enable row level security, force row level security;

-- Across tenants

-- ops.quarantine_item and ops.release_items, which jobs call, keep it as the owner; operators and the check of alerts
-- read the items of all tenants.
drop policy if exists manage_owner on ops.quarantined_items;
create policy manage_owner on ops.quarantined_items for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.quarantined_items;
create policy select_operator on ops.quarantined_items for select to :OPERATOR
  using (true);
drop policy if exists select_jobs on ops.quarantined_items;
create policy select_jobs on ops.quarantined_items for select to :JOBS
  using (true);

revoke all on ops.quarantined_items from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.quarantined_items to :JOBS;
-- Not the reason: the database's message repeats the value that it refused, which is the tenant's.
grant select (task, tenant_id, item, code, failures, first_failed_at, last_failed_at, retry_at) on ops.quarantined_items to :OPERATOR;
-- No insert, update or delete for anybody: ops.quarantine_item and ops.release_items keep it.

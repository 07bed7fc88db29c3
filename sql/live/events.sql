comment on table app_private.events is 'The outbox of live updates: the rows that changed, in one event per statement and tenant. Kept for about an hour.';
comment on column app_private.events.transaction_id is 'The transaction that made the change.';
comment on column app_private.events.id is 'The order within a transaction; it has no meaning across transactions.';
comment on column app_private.events.tenant_id is 'The tenant whose rows changed.';
comment on column app_private.events.topic is 'The table: tasks, workflows, agents, threads, messages.';
comment on column app_private.events.operation is 'One of insert, update, delete.';
comment on column app_private.events.keys is 'The ids of the rows; null when more than 1,000 changed at once.';
comment on column app_private.events.at is 'When the transaction began.';

alter table app_private.events enable row level security, force row level security;

-- Across tenants

-- app_private.tg__publish, ops.read_events, ops.trim_events and the view ops.check_untrimmed_events, as the owner.
drop policy if exists manage_owner on app_private.events;
create policy manage_owner on app_private.events for all to :OWNER
  using (true)
  with check (true);

revoke all on app_private.events from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- No grant to anybody: tg__publish writes it, ops.read_events reads it for the API, ops.trim_events trims it.

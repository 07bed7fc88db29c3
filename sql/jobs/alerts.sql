comment on table ops.alerts is 'Present and past problems: one open row for each kind and subject. An alert resolves by itself when its problem is over.';
comment on column ops.alerts.id is 'Grows in the order in which alerts were raised.';
comment on column ops.alerts.kind is 'The check that raised it: ops.check_<kind>.';
comment on column ops.alerts.subject is 'What it is about.';
comment on column ops.alerts.severity is 'warning: look at it; error: something that should happen does not.';
comment on column ops.alerts.message is 'What is wrong, in a sentence.';
comment on column ops.alerts.details is 'The same as a JSON object, for programs; no secrets.';
comment on column ops.alerts.raised_at is 'When it was raised.';
comment on column ops.alerts.last_seen_at is 'When the check last found it.';
comment on column ops.alerts.resolved_at is 'When it was resolved; null: it is open.';

alter table ops.alerts enable row level security, force row level security;

-- Across tenants

-- ops.report_alerts keeps it as the owner; operators and the worker read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.alerts;
create policy manage_owner on ops.alerts for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.alerts;
create policy select_operator on ops.alerts for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.alerts;
create policy select_worker on ops.alerts for select to :WORKER
  using (true);

revoke all on ops.alerts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.alerts to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.report_alerts keeps it.

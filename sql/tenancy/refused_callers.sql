comment on table ops.refused_callers is 'Callers of the API that asked for more than docs/limits.md allows, a row for each caller and limit, for a day.';
comment on column ops.refused_callers.caller is 'Who: a tenant, a tenant and its subject, or an address.';
comment on column ops.refused_callers.what is 'What there was too much of.';
comment on column ops.refused_callers.count is 'How often it was refused.';
comment on column ops.refused_callers.first_at is 'When that happened first.';
comment on column ops.refused_callers.last_at is 'When that happened last.';

alter table ops.refused_callers enable row level security, force row level security;

-- Across tenants

-- ops.note_refusals keeps it as the owner; operators and the worker read it. It holds names, and nothing else of a tenant.
drop policy if exists manage_owner on ops.refused_callers;
create policy manage_owner on ops.refused_callers for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.refused_callers;
create policy select_operator on ops.refused_callers for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.refused_callers;
create policy select_worker on ops.refused_callers for select to :WORKER
  using (true);

revoke all on ops.refused_callers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.refused_callers to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.note_refusals keeps it.
-- Exempt from audit: the API writes it while somebody floods it.

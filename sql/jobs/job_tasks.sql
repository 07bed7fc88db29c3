comment on table ops.job_tasks is 'The tasks that the workers know, and their schedules (UTC).';
comment on column ops.job_tasks.task is 'Its name.';
comment on column ops.job_tasks.does is 'What it is for.';
comment on column ops.job_tasks.schedule is 'Its crontab pattern; null: it is not scheduled.';
comment on column ops.job_tasks.every is 'The longest time between two of its runs; null: it is not scheduled.';
comment on column ops.job_tasks.expected is 'How long a run may take; a longer one raises an alert.';
comment on column ops.job_tasks.known_since is 'When a worker first reported that it knows the task.';

alter table ops.job_tasks enable row level security, force row level security;

-- Across tenants

-- ops.set_job_tasks keeps it as the owner; operators and the worker read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.job_tasks;
create policy manage_owner on ops.job_tasks for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.job_tasks;
create policy select_operator on ops.job_tasks for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.job_tasks;
create policy select_worker on ops.job_tasks for select to :WORKER
  using (true);

revoke all on ops.job_tasks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.job_tasks to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.set_job_tasks keeps it.

--! Previous: sha1:e30fcd196df8578395bbd87b6beb14d7993cfe11
--! Hash: sha1:d63dbb4170aec4c9bbb633b4b27d3960107be595
--! Message: worker_owns_its_queue

-- The keeper of partitions is gone: `lightning retention` detaches inside of functions of the owner. A database that an earlier
-- version made has its three tables back with the owner; where they are already, nothing changes. Locks each table for an instant.
alter table app_public.metrics owner to :OWNER;
alter table app_public.metrics_minute owner to :OWNER;
alter table app_public.metrics_hour owner to :OWNER;

-- What the worker reported is not trusted: rows are counted by the function that drops them, as the owner. The column goes with the
-- next release.
alter table ops.partition_removals alter column rows_by_tenant drop not null;
do $$
declare
  v_table regclass;
begin
  for v_table in
    select c.oid::regclass
    from ops.partition_removals r
    join pg_class c on c.oid = to_regclass(r.partition)
    where c.relnamespace = 'app_public'::regnamespace and c.relkind = 'r' and not c.relispartition
      and c.relname ~ '^metrics(_minute|_hour)?_p[0-9]{6,8}$'
  loop
    execute format('alter table %s no force row level security', v_table);
  end loop;
end
$$;
drop function ops.begin_partition_removal(text, text, text, timestamptz, timestamptz);

-- The owner reads nothing of graphile-worker's schema any more: the worker may replace what is there. It reports its queue.
drop view ops.jobs;
drop view ops.check_dead_jobs;
drop function ops.queued_jobs();
drop function ops.open_job_queue();
create table ops.queued_jobs (
  id bigint not null,
  task text not null,
  queue text,
  due_at timestamptz not null,
  attempts integer not null,
  max_attempts integer not null,
  last_error text,
  created_at timestamptz not null,
  locked_at timestamptz,
  worker text,
  constraint queued_jobs_pkey primary key (id)
);

--! Included rows/may_print_long.sql
-- Searches the stored form, without printing, for numbers beyond a double, numbers that are nearly zero, and zeros, which may
-- have 16,383 digits behind the point.
create or replace function app_private.may_print_long(document jsonb) returns boolean
language sql immutable strict parallel safe
return pg_catalog.jsonb_path_exists(
  document,
  'strict $.** ? (@.type() == "number" && (@ > 1e308 || @ < -1e308 || (@ < 1e-308 && @ > -1e-308)))'
);

comment on function app_private.may_print_long(jsonb) is 'Whether JSON holds numbers that print far longer than they are stored.';
-- Conditions of triggers call it with the rights of whoever writes.
grant execute on function app_private.may_print_long(jsonb) to :MEMBER, :SERVICE, :ADMIN, :WORKER;
--! EndIncluded rows/may_print_long.sql
--! Included jobs/queued_jobs.sql
comment on table ops.queued_jobs is 'The jobs in graphile-worker''s queue, as the worker reported them last; ops.jobs shows their state.';
comment on column ops.queued_jobs.id is 'The id of the job in graphile-worker.';
comment on column ops.queued_jobs.task is 'The task that it runs.';
comment on column ops.queued_jobs.queue is 'The queue whose jobs run one after the other; null: none.';
comment on column ops.queued_jobs.due_at is 'When it may run, or run again.';
comment on column ops.queued_jobs.attempts is 'How often it has begun.';
comment on column ops.queued_jobs.max_attempts is 'How often it may begin.';
comment on column ops.queued_jobs.last_error is 'Why the last attempt failed, 2,000 characters at most.';
comment on column ops.queued_jobs.created_at is 'When it came into the queue.';
comment on column ops.queued_jobs.locked_at is 'When the current attempt began; null: it does not run.';
comment on column ops.queued_jobs.worker is 'The worker that runs it.';

alter table ops.queued_jobs enable row level security, force row level security;

-- Across tenants

-- ops.report_jobs keeps it as the owner; operators and the worker read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.queued_jobs;
create policy manage_owner on ops.queued_jobs for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.queued_jobs;
create policy select_operator on ops.queued_jobs for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.queued_jobs;
create policy select_worker on ops.queued_jobs for select to :WORKER
  using (true);

revoke all on ops.queued_jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.queued_jobs to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.report_jobs keeps it.
--! EndIncluded jobs/queued_jobs.sql
--! Included jobs/report_jobs.sql
-- Replaces what operators see of the queue: {id, task, queue, due_at, attempts, max_attempts, last_error, created_at, locked_at,
-- worker}. The worker reads its own queue and passes the list, because nobody with more rights may read what the worker owns: a
-- view there can be replaced by one that calls anything. Definer: nobody writes the table by hand.
create or replace function ops.report_jobs(jobs jsonb) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if jsonb_array_length(jobs) > 1000 then
    raise exception 'expected at most 1000 jobs, not %', jsonb_array_length(jobs)
      using errcode = 'LTJ02', hint = 'Report those that run, then those that failed, then those that are due first.';
  end if;
  -- One report at a time; readers go on.
  lock table ops.queued_jobs in share row exclusive mode;
  delete from ops.queued_jobs q
  where not exists (select from jsonb_to_recordset(report_jobs.jobs) n(id bigint) where n.id = q.id);
  insert into ops.queued_jobs as q (id, task, queue, due_at, attempts, max_attempts, last_error, created_at, locked_at, worker)
  select
    n.id, left(n.task, 200), left(n.queue, 200), n.due_at, n.attempts, n.max_attempts, left(n.last_error, 2000), n.created_at,
    n.locked_at, left(n.worker, 200)
  from jsonb_to_recordset(report_jobs.jobs) n(
    id bigint, task text, queue text, due_at timestamptz, attempts integer, max_attempts integer, last_error text,
    created_at timestamptz, locked_at timestamptz, worker text
  )
  on conflict on constraint queued_jobs_pkey do update
  set
    task = excluded.task, queue = excluded.queue, due_at = excluded.due_at, attempts = excluded.attempts,
    max_attempts = excluded.max_attempts, last_error = excluded.last_error, created_at = excluded.created_at,
    locked_at = excluded.locked_at, worker = excluded.worker
  where (q.*) is distinct from (excluded.*);
end
$$;

comment on function ops.report_jobs(jsonb) is 'Replaces the list of queued jobs that operators see. LTJ02 for more than 1,000.';
grant execute on function ops.report_jobs(jsonb) to :WORKER;
--! EndIncluded jobs/report_jobs.sql
--! Included jobs/jobs.sql
-- The queue of jobs as the worker reported it last, every 15 seconds and before it checks for alerts: 1,000 jobs at most. It
-- lacks jobs that are done, whose outcome is in ops.job_runs, and payloads, which may hold data that operators must not see.
create or replace view ops.jobs with (security_barrier) as
select
  j.id,
  j.task,
  case
    when j.locked_at is not null then 'running'
    when j.attempts >= j.max_attempts then 'failed'
    else 'waiting'
  end as state,
  j.due_at,
  j.attempts,
  j.max_attempts,
  j.last_error,
  j.created_at,
  j.locked_at as running_since,
  j.worker,
  r.progress,
  r.note
from ops.queued_jobs j
left join ops.job_runs r on r.job_id = j.id and r.outcome = 'running';

comment on view ops.jobs is 'The queue of jobs as the worker reported it last, without payloads and without jobs that are done.';
comment on column ops.jobs.id is 'The id of the job in graphile-worker.';
comment on column ops.jobs.task is 'The task that it runs.';
comment on column ops.jobs.state is 'waiting, running, or failed: its attempts are used up.';
comment on column ops.jobs.due_at is 'When it may run, or run again.';
comment on column ops.jobs.attempts is 'How often it has begun.';
comment on column ops.jobs.max_attempts is 'How often it may begin.';
comment on column ops.jobs.last_error is 'Why the last attempt failed.';
comment on column ops.jobs.created_at is 'When it came into the queue.';
comment on column ops.jobs.running_since is 'When the current attempt began.';
comment on column ops.jobs.worker is 'The worker that runs it; ops.workers says where.';
comment on column ops.jobs.progress is 'How much of the current attempt is done, from 0 to 1.';
comment on column ops.jobs.note is 'What it is doing.';

revoke all on ops.jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.jobs to :OPERATOR, :WORKER;
--! EndIncluded jobs/jobs.sql
--! Included jobs/check_dead_jobs.sql
-- Jobs that have used up their attempts. For a scheduled task, the next success of the task clears the alert.
create or replace view ops.check_dead_jobs with (security_barrier) as
select
  j.task as subject,
  'error'::text as severity,
  format(
    '%s %s of %s failed for good, the last with: %s',
    count(*), case when count(*) = 1 then 'job' else 'jobs' end, j.task,
    coalesce((array_agg(j.last_error order by j.id desc))[1], 'its worker was lost')
  ) as message,
  jsonb_build_object('jobs', (array_agg(j.id order by j.id desc))[1:20]) as details
from ops.queued_jobs j
where j.locked_at is null and j.attempts >= j.max_attempts
  and not exists (
    select
    from ops.job_tasks t
    join ops.job_runs r on r.task = t.task and r.outcome = 'succeeded' and r.started_at > j.due_at
    where t.task = j.task and t.every is not null
  )
group by j.task;

comment on view ops.check_dead_jobs is 'A check of ops.check_alerts. Jobs that failed for good.';
comment on column ops.check_dead_jobs.subject is 'What it is about.';
comment on column ops.check_dead_jobs.severity is 'warning or error.';
comment on column ops.check_dead_jobs.message is 'What is wrong, in a sentence.';
comment on column ops.check_dead_jobs.details is 'The same as JSON, for programs.';

revoke all on ops.check_dead_jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_dead_jobs to :OPERATOR, :WORKER;
--! EndIncluded jobs/check_dead_jobs.sql
--! Included retention/removable_partitions.sql
-- The partitions that neither a tenant nor a hold keeps any more, and those whose removal has begun, oldest first.
--   state  attached: detach it; pending: finalize what an earlier version left half done; detached: drop it
create or replace function ops.removable_partitions(at timestamptz default now(), planned boolean default false)
returns table (policy text, parent text, partition text, range_start timestamptz, range_end timestamptz, state text)
language sql stable security definer
set search_path to pg_catalog, pg_temp
set datestyle to 'ISO'
set timezone to 'UTC'
as $$
  with cutoffs as (
    select c.policy, min(c.older_than) as older_than
    from ops.retention_cutoffs(removable_partitions.at, removable_partitions.planned) c
    group by c.policy
    having bool_and(c.older_than is not null)
  ),
  partitions as (
    select
      p.policy, format('%I.%I', pn.nspname, pc.relname) as parent, format('%I.%I', n.nspname, c.relname) as partition,
      b.ends[1]::timestamptz as range_start, b.ends[2]::timestamptz as range_end, i.inhdetachpending
    from (
      values ('metrics.raw', 'app_public.metrics'::regclass), ('metrics.minute', 'app_public.metrics_minute'),
        ('metrics.hour', 'app_public.metrics_hour')
    ) p(policy, parent)
    join pg_inherits i on i.inhparent = p.parent
    join pg_class c on c.oid = i.inhrelid
    join pg_namespace n on n.oid = c.relnamespace
    join pg_class pc on pc.oid = i.inhparent
    join pg_namespace pn on pn.oid = pc.relnamespace
    cross join regexp_match(
      pg_get_expr(c.relpartbound, c.oid), $bounds$^FOR VALUES FROM \('([^']+)'\) TO \('([^']+)'\)$bounds$
    ) b(ends)
  )
  select p.policy, p.parent, p.partition, p.range_start, p.range_end, case when p.inhdetachpending then 'pending' else 'attached' end
  from partitions p
  left join cutoffs c on c.policy = p.policy
  where p.inhdetachpending
    or (
      p.range_end <= c.older_than
      and not exists (
        select from ops.retention_holds h where h.policy = p.policy and h.held && tstzrange(p.range_start, p.range_end)
      )
    )
  union all
  select r.policy, r.parent, r.partition, lower(r.held), upper(r.held), 'detached'
  from ops.partition_removals r
  where to_regclass(r.partition) is not null and not exists (select from partitions p where p.partition = r.partition)
  order by 4, 1
$$;

comment on function ops.removable_partitions(timestamptz, boolean) is 'The partitions that can be removed, and the state of each removal, oldest first.';
grant execute on function ops.removable_partitions(timestamptz, boolean) to :OPERATOR, :WORKER;
--! EndIncluded retention/removable_partitions.sql
--! Included retention/partition_removals.sql
comment on table ops.partition_removals is 'Partitions whose removal has begun but not ended.';
comment on column ops.partition_removals.partition is 'Its name, with its schema.';
comment on column ops.partition_removals.parent is 'The table that it belongs to or did before it was detached.';
comment on column ops.partition_removals.policy is 'The policy by which it is removed.';
comment on column ops.partition_removals.held is 'The times that it holds.';
comment on column ops.partition_removals.rows_by_tenant is 'How many rows of each tenant an earlier version counted; nothing reads it, and the next release drops it.';
comment on column ops.partition_removals.began_at is 'When the removal began.';
comment on column ops.partition_removals.tried_at is 'When it was last tried.';
comment on column ops.partition_removals.problem is 'The obstacle at that try; ops.removal_waits names the sessions.';

alter table ops.partition_removals enable row level security, force row level security;

-- Across tenants

-- The functions that begin, try and end a removal keep it as the owner; the worker and operators read it. A partition holds rows
-- of all tenants.
drop policy if exists manage_owner on ops.partition_removals;
create policy manage_owner on ops.partition_removals for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.partition_removals;
create policy select_operator on ops.partition_removals for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.partition_removals;
create policy select_worker on ops.partition_removals for select to :WORKER
  using (true);

-- No policy to write for the worker: ops.drop_partition drops what stands here.
drop policy if exists insert_worker on ops.partition_removals;
drop policy if exists update_worker on ops.partition_removals;

revoke all on ops.partition_removals from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.partition_removals to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.begin_partition_removal, ops.note_removal_problem and ops.drop_partition keep it.
--! EndIncluded retention/partition_removals.sql
--! Included retention/count_detached_rows.sql
-- Counts the rows of each tenant in a detached partition. Definer: nobody else has a right on it. It reads only what
-- ops.detach_partition detached: a table of this name that is attached, or that somebody else owns, is none.
create or replace function ops.count_detached_rows(partition text) returns jsonb
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_table regclass;
  v_rows jsonb;
begin
  select c.oid::regclass into v_table
  from ops.partition_removals r
  join pg_class c on c.oid = to_regclass(r.partition)
  where r.partition = count_detached_rows.partition and c.relkind = 'r' and not c.relispartition
    and c.relnamespace = 'app_public'::regnamespace and c.relowner = ':OWNER'::regrole
    and c.relname ~ '^metrics(_minute|_hour)?_p[0-9]{6,8}$';
  if not found then
    raise exception '% is not a partition to be removed', partition
      using errcode = 'LTP05', hint = '`lightning retention` or the worker detaches it first.';
  end if;
  execute format(
    'select coalesce(jsonb_object_agg(c.tenant_id, c.count), %L) from (select t.tenant_id, count(*) from %s t group by 1) c', '{}', v_table
  ) into v_rows;
  return v_rows;
end
$$;

comment on function ops.count_detached_rows(text) is 'How many rows of each tenant a detached partition has. LTP05 when it is not a detached partition.';
grant execute on function ops.count_detached_rows(text) to :WORKER;
--! EndIncluded retention/count_detached_rows.sql
--! Included retention/begin_partition_removal.sql
-- Records that the removal of a partition begins, or is tried again. Which partitions can go is asked of the catalog and of the
-- policies, and of no argument: `at` may lie in the past, for a simulated clock, and never in the future. Definer: what stands in
-- the table is dropped, so nobody writes it by hand.
create or replace function ops.begin_partition_removal(partition text, at timestamptz default now()) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_removable record;
begin
  select p.* into v_removable
  from ops.removable_partitions(least(at, now())) p
  where p.partition = begin_partition_removal.partition;
  if not found then
    raise exception '% is not a partition to be removed', partition
      using errcode = 'LTP05', hint = 'List them: select * from ops.removable_partitions();';
  end if;

  -- The removal waits for transactions older than this; see ops.removal_waits.
  insert into ops.partition_removals as r (partition, parent, policy, held, tried_at)
  values (
    v_removable.partition, v_removable.parent, v_removable.policy, tstzrange(v_removable.range_start, v_removable.range_end), now()
  )
  on conflict on constraint partition_removals_pkey do update
  set
    parent = excluded.parent, policy = excluded.policy, held = excluded.held, tried_at = excluded.tried_at, problem = null;
end
$$;

comment on function ops.begin_partition_removal(text, timestamptz) is 'Records in ops.partition_removals that the removal of a partition begins or is tried again. LTP05 when it must not be removed.';
grant execute on function ops.begin_partition_removal(text, timestamptz) to :WORKER;
--! EndIncluded retention/begin_partition_removal.sql
--! Included retention/detach_partition.sql
-- Detaches a partition whose removal has begun, or finishes a detach that an earlier version left half done. A plain detach locks the
-- parent for an instant, and readers and writers queue behind it while it waits for those before it. So it gives up after 100 ms,
-- and the caller tries again after others have had their turn (src/retention/remove-partitions.ts). `detach ... concurrently` would
-- wait without holding anybody up, but it runs in no function, so whoever calls it has to own the table.
--
-- Once it is detached the partition is a table of the owner that nobody else has a right on. Row-level security is not forced on it
-- any more, so that the owner can count its rows (ops.count_detached_rows).
create or replace function ops.detach_partition(partition text, at timestamptz default now()) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set lock_timeout to '100ms'
as $$
declare
  v_removable record;
begin
  select p.* into v_removable
  from ops.removable_partitions(least(at, now())) p
  join ops.partition_removals r on r.partition = p.partition
  where p.partition = detach_partition.partition and p.state <> 'detached';
  if not found then
    raise exception '% is not a partition to be removed', partition
      using errcode = 'LTP05', hint = 'ops.begin_partition_removal begins it.';
  end if;

  -- The catalog wrote and quoted these names.
  execute format(
    'alter table %s detach partition %s %s',
    v_removable.parent, v_removable.partition, case v_removable.state when 'pending' then 'finalize' else '' end
  );
  execute format('alter table %s no force row level security', v_removable.partition);
end
$$;

comment on function ops.detach_partition(text, timestamptz) is 'Detaches a partition whose removal has begun. 55P03 when others hold its table for 100 ms; LTP05 when it must not be removed.';
grant execute on function ops.detach_partition(text, timestamptz) to :WORKER;
--! EndIncluded retention/detach_partition.sql
--! Included retention/note_removal_problem.sql
-- Notes the obstacle that a removal met, for ops.partition_removals. Definer: nobody writes the table by hand.
create or replace function ops.note_removal_problem(partition text, problem text) returns void
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  update ops.partition_removals r
  set problem = left(note_removal_problem.problem, 1000)
  where r.partition = note_removal_problem.partition;
end;

comment on function ops.note_removal_problem(text, text) is 'Notes the obstacle that the removal of a partition met, 1,000 characters at most.';
grant execute on function ops.note_removal_problem(text, text) to :WORKER;
--! EndIncluded retention/note_removal_problem.sql
--! Included retention/drop_partition.sql
-- Drops a detached partition, with a receipt and a row of the audit log for each tenant. It counts the rows itself: the log says
-- nothing that a caller made up. Dropping its foreign key locks the table of tenants for an instant. It gives up waiting for that
-- lock after 200 ms, so that nobody queues behind it for longer. Definer: partitions belong to the owner, and this drops only those
-- that ops.count_detached_rows takes for detached ones.
create or replace function ops.drop_partition(partition text) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set lock_timeout to '200ms'
as $$
declare
  v_removal ops.partition_removals;
  v_rows jsonb := ops.count_detached_rows(partition);
  v_total bigint;
  v_bytes bigint := pg_total_relation_size(to_regclass(partition));
begin
  select r.* into strict v_removal from ops.partition_removals r where r.partition = drop_partition.partition for update;
  select coalesce(sum(r.count::bigint), 0) into v_total from jsonb_each_text(v_rows) r(tenant_id, count);
  execute format('drop table %s', to_regclass(partition));

  insert into ops.retention_receipts (policy, tenant_id, older_than, partition, row_count, bytes)
  select v_removal.policy, r.tenant_id, upper(v_removal.held), partition, coalesce(r.count::bigint, 0),
    case when v_total = 0 then v_bytes else v_bytes * r.count::bigint / v_total end
  from (select) one
  left join jsonb_each_text(v_rows) r(tenant_id, count) on true;
  insert into audit.log (tenant_id, table_name, operation, row_count, subject, role, request_id)
  select r.tenant_id, regexp_replace(partition, '_p[0-9]+$', ''), 'delete', least(r.count::bigint, 2147483647), a.subject, a.role, a.request_id
  from jsonb_each_text(v_rows) r(tenant_id, count)
  cross join audit.actor() a;
  delete from ops.partition_removals r where r.partition = drop_partition.partition;
end
$$;

comment on function ops.drop_partition(text) is 'Drops a detached partition, and leaves receipts. LTP05 when it is not a detached partition.';
grant execute on function ops.drop_partition(text) to :WORKER;
--! EndIncluded retention/drop_partition.sql
--! Included retention/refuse_bounds.sql
-- Refuses an argument of maintenance that is out of bounds. A stolen login of the worker may call these functions with any.
create or replace function app_private.refuse_bounds(argument text, holds boolean, expected text) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if holds is not true then
    raise exception '% must be %', argument, expected using errcode = 'LTP06';
  end if;
end
$$;

comment on function app_private.refuse_bounds(text, boolean, text) is 'Raises LTP06 unless the argument keeps its bounds.';
--! EndIncluded retention/refuse_bounds.sql
--! Included retention/ensure_partitions.sql
-- Makes the missing partitions between now and the horizons: one a day for metrics and their rollups by minute, one a month
-- for the rollups by hour and for the audit log. The worker runs it every hour and `lightning migrate` at its end. It can
-- run at any time, and several times at once. Definer: partitions belong to the owner, and this makes only these.
create or replace function ops.ensure_partitions(
  metrics_days_ahead integer default 14,
  audit_months_ahead integer default 3,
  at timestamptz default now()
) returns setof text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set timezone to 'UTC'
as $$
declare
  v_parent text;
  v_start timestamptz;
  v_name text;
begin
  -- The worker's login can make tables by this, and no more than these.
  perform app_private.refuse_bounds('metrics_days_ahead', metrics_days_ahead between 0 and 62, '0 to 62');
  perform app_private.refuse_bounds('audit_months_ahead', audit_months_ahead between 0 and 24, '0 to 24');
  perform app_private.refuse_bounds('at', at between now() - interval '2 years' and now() + interval '1 day', 'a time of the last two years');

  -- One caller at a time: between its check and its create, another could take the name.
  perform pg_advisory_xact_lock(hashtext('ops.ensure_partitions'));

  -- Yesterday too: a point that is on its way at midnight belongs to the day that has ended.
  for v_start in
    select d from generate_series(
      date_trunc('day', at) - interval '1 day',
      date_trunc('day', at) + make_interval(days => metrics_days_ahead),
      interval '1 day'
    ) d
  loop
    foreach v_parent in array array['metrics', 'metrics_minute'] loop
      v_name := v_parent || '_p' || to_char(v_start, 'YYYYMMDD');
      if app_private.create_partition(
        ('app_public.' || v_parent)::regclass, v_name, v_start, v_start + interval '1 day'
      ) then
        return next 'app_public.' || v_name;
      end if;
    end loop;
  end loop;

  -- As far as the points reach.
  for v_start in
    select m from generate_series(
      date_trunc('month', at - interval '1 day'),
      date_trunc('month', at + make_interval(days => metrics_days_ahead)),
      interval '1 month'
    ) m
  loop
    v_name := 'metrics_hour_p' || to_char(v_start, 'YYYYMM');
    if app_private.create_partition('app_public.metrics_hour', v_name, v_start, v_start + interval '1 month') then
      return next 'app_public.' || v_name;
    end if;
  end loop;

  for v_start in
    select m from generate_series(
      date_trunc('month', at),
      date_trunc('month', at) + make_interval(months => audit_months_ahead),
      interval '1 month'
    ) m
  loop
    v_name := 'log_p' || to_char(v_start, 'YYYYMM');
    if app_private.create_partition('audit.log', v_name, v_start, v_start + interval '1 month') then
      return next 'audit.' || v_name;
    end if;
  end loop;
end
$$;

comment on function ops.ensure_partitions(integer, integer, timestamptz) is 'Makes the missing partitions of metrics and their rollups (days ahead) and of audit.log (months ahead), and returns their names. LTP06 for a time or a number that is too far.';
grant execute on function ops.ensure_partitions(integer, integer, timestamptz) to :WORKER;
--! EndIncluded retention/ensure_partitions.sql
--! Included retention/expire_operations.sql
-- Deletes up to `how_many` rows of operations: runs of jobs, resolved alerts, drills, records of removed backups. Definer:
-- nobody writes these tables by hand.
create or replace function ops.expire_operations(policy text, older_than timestamptz, how_many integer) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  -- What a policy keeps stays, whoever asks: runs, alerts and drills tell what happened.
  perform app_private.refuse_bounds(
    'older_than', older_than <= now() - ops.retention_of(expire_operations.policy, null), 'a time that the policy no longer keeps'
  );
  case expire_operations.policy
    when 'job_runs' then
      delete from ops.job_runs r
      where r.id in (select o.id from ops.expired_job_runs(expire_operations.older_than) o(id) limit expire_operations.how_many);
    when 'alerts' then
      delete from ops.alerts a
      where a.id in (select o.id from ops.expired_alerts(expire_operations.older_than) o(id) limit expire_operations.how_many);
    when 'drills' then
      delete from ops.drills d
      where d.id in (select o.id from ops.expired_drills(expire_operations.older_than) o(id) limit expire_operations.how_many);
    when 'backups' then
      delete from ops.backups b
      where b.id in (select o.id from ops.expired_backups(expire_operations.older_than) o(id) limit expire_operations.how_many);
  end case;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function ops.expire_operations(text, timestamptz, integer) is 'Deletes up to `how_many` rows that the policy job_runs, alerts, drills or backups does not keep. Returns how many. LTP06 for a time that it keeps.';
grant execute on function ops.expire_operations(text, timestamptz, integer) to :WORKER;
--! EndIncluded retention/expire_operations.sql
--! Included metrics/move_metric_floors.sql
-- Moves up the time before which points are refused: to the midnight before which no tenant keeps them, and further for each
-- tenant that keeps less. Never moves it down. Points can be removed once their floor is closed: ops.close_metric_floors.
create or replace function ops.move_metric_floors(at timestamptz default now()) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  -- A floor never moves down again, so a time to come would refuse everybody's points until then.
  perform app_private.refuse_bounds('at', at <= now() + interval '1 minute', 'a time that has come');
  with wanted as (
    select t.id as tenant_id, date_bin('24 hours', move_metric_floors.at - ops.retention_of('metrics.raw', t.id), '2001-01-01 00:00:00Z') as kept_from
    from app_public.tenants t
  ),
  everybody as (
    select min(w.kept_from) as kept_from from wanted w having bool_and(w.kept_from is not null)
  )
  insert into ops.metric_floors as f (tenant_id, kept_from)
  select null, e.kept_from from everybody e
  union all
  select w.tenant_id, w.kept_from
  from wanted w
  where w.kept_from > coalesce((select e.kept_from from everybody e), '-infinity')
  on conflict (tenant_id) do update set kept_from = excluded.kept_from, moved_by = pg_current_xact_id()
  where excluded.kept_from > f.kept_from;
end
$$;

comment on function ops.move_metric_floors(timestamptz) is 'Moves up the time before which points are refused, by the retention of metrics.raw. LTP06 for a time to come.';
grant execute on function ops.move_metric_floors(timestamptz) to :WORKER;
--! EndIncluded metrics/move_metric_floors.sql
--! Included live/trim_events.sql
-- Removes events that have been visible in the outbox for at least `keep`, and returns their number. The worker runs it every
-- few minutes: each run leaves a mark that a later one trims to. Definer: nobody may write the outbox.
create or replace function ops.trim_events(keep interval default '1 hour') returns bigint
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_mark app_private.event_marks;
  v_count bigint := 0;
begin
  -- Streams read an event within a second or two of its commit.
  perform app_private.refuse_bounds('keep', keep >= interval '1 minute', 'at least a minute');
  -- Only one runs at a time, and none waits.
  if not pg_try_advisory_xact_lock(hashtext('ops.trim_events')) then
    return 0;
  end if;
  insert into app_private.event_marks default values;
  select m.* into v_mark
  from app_private.event_marks m
  where m.at <= clock_timestamp() - keep
  order by m.at desc
  limit 1;
  if not found then
    return 0;
  end if;
  delete from app_private.events e
  where e.transaction_id < pg_snapshot_xmax(v_mark.snapshot)
    and pg_visible_in_snapshot(e.transaction_id, v_mark.snapshot);
  get diagnostics v_count = row_count;
  delete from app_private.event_marks m where m.at < v_mark.at;
  update app_private.event_marks m set trimmed = true where m.at = v_mark.at;
  return v_count;
end
$$;

comment on function ops.trim_events(interval) is 'Removes events that have been visible in the outbox for at least `keep`. Returns their number. LTP06 for less than a minute.';
grant execute on function ops.trim_events(interval) to :WORKER;
--! EndIncluded live/trim_events.sql

--! Previous: sha1:4baec1ef7c7986404056cd2648ca91b44ec75521
--! Hash: sha1:00867387046b16fd19ca5c039e09626d6fcd5df3
--! Message: live_sessions

-- A look at the sessions behind open streams, and the audit of one updated row in one statement.
--! Included audit/functions/tg__log_rows.sql
-- Logs each row of a statement: an insert's new values, a delete's old values, of an update what changed and only that
-- (a row written again as it was leaves nothing). One statement trigger with transition tables, so a statement of a
-- thousand rows costs one insert here.
-- Arguments: the key columns, the columns to digest (array literals) and the column that holds the tenant. Definer:
-- nobody may write the log.
--
-- The sub-selects stand here three times instead of in functions of their own: functions that contain one are not
-- inlined, and calling them made an audited insert of one row cost three times as much. `offset 0` keeps a row from being
-- made into JSON once for each of its columns. An update of a single row, the usual one, has nothing to join: it takes a
-- way of its own, at half the cost.
create or replace function audit.tg__log_rows() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_table text := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
  v_key text[] := TG_ARGV[0];
  v_digested text[] := TG_ARGV[1];
  v_tenant_column text := TG_ARGV[2];
begin
  if TG_OP = 'INSERT' then
    insert into audit.log (tenant_id, table_name, operation, row_count, key, new_values, subject, role, request_id)
    select
      n.doc ->> v_tenant_column, v_table, 'insert', 1,
      (select jsonb_object_agg(k, n.doc -> k) from unnest(v_key) k),
      case when v_digested = '{}' then n.doc else audit.digest(n.doc, v_digested) end,
      a.subject, a.role, a.request_id
    from (select to_jsonb(r) as doc from new_rows r offset 0) n cross join audit.actor() a;
  elsif TG_OP = 'DELETE' then
    insert into audit.log (tenant_id, table_name, operation, row_count, key, old_values, subject, role, request_id)
    select
      o.doc ->> v_tenant_column, v_table, 'delete', 1,
      (select jsonb_object_agg(k, o.doc -> k) from unnest(v_key) k),
      case when v_digested = '{}' then o.doc else audit.digest(o.doc, v_digested) end,
      a.subject, a.role, a.request_id
    from (select to_jsonb(r) as doc from old_rows r offset 0) o cross join audit.actor() a;
  elsif (select count(*) = 1 from new_rows) then
    insert into audit.log (
      tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
    )
    select
      d.new_doc ->> v_tenant_column, v_table, 'update', 1,
      (select jsonb_object_agg(k, d.new_doc -> k) from unnest(v_key) k),
      case when v_digested = '{}' then c.old_values else audit.digest(c.old_values, v_digested) end,
      case when v_digested = '{}' then c.new_values else audit.digest(c.new_values, v_digested) end,
      a.subject, a.role, a.request_id
    from (select to_jsonb(o) as old_doc, to_jsonb(n) as new_doc from old_rows o cross join new_rows n offset 0) d
    cross join lateral (
      select jsonb_object_agg(e.key, d.old_doc -> e.key) as old_values, jsonb_object_agg(e.key, e.value) as new_values
      from jsonb_each(d.new_doc) e
      where e.value is distinct from d.old_doc -> e.key
    ) c
    cross join audit.actor() a
    where c.new_values is not null;
  else
    insert into audit.log (
      tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
    )
    select
      n.doc ->> v_tenant_column, v_table, 'update', 1, n.key,
      case when v_digested = '{}' then c.old_values else audit.digest(c.old_values, v_digested) end,
      case when v_digested = '{}' then c.new_values else audit.digest(c.new_values, v_digested) end,
      a.subject, a.role, a.request_id
    from (
      select d.doc, (select jsonb_object_agg(k, d.doc -> k) from unnest(v_key) k) as key
      from (select to_jsonb(r) as doc from new_rows r offset 0) d
    ) n
    join (
      select d.doc, (select jsonb_object_agg(k, d.doc -> k) from unnest(v_key) k) as key
      from (select to_jsonb(r) as doc from old_rows r offset 0) d
    ) o using (key)
    cross join lateral (
      select
        jsonb_object_agg(e.key, o.doc -> e.key) as old_values,
        jsonb_object_agg(e.key, e.value) as new_values
      from jsonb_each(n.doc) e
      where e.value is distinct from o.doc -> e.key
    ) c
    cross join audit.actor() a
    where c.new_values is not null;
  end if;
  return null;
end
$$;
--! EndIncluded audit/functions/tg__log_rows.sql
--! Included ops/functions/live_sessions.sql
-- Which of these sessions are still open. Each process of the API asks for those whose streams it serves, once for all of
-- them, as an anonymous request, and ends the streams of the others. Definer, as ops.session_claims: that a session lives is
-- all that it gives away, to who knows its id. It prolongs nothing: a stream that is left open is no use of a session.
create or replace function ops.live_sessions(tenant_ids text[], session_ids uuid[]) returns setof uuid
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select s.id
  from unnest(tenant_ids, session_ids) a(tenant_id, id)
  join app_public.sessions s on s.tenant_id = a.tenant_id and s.id = a.id
  join app_public.tenants t on t.id = s.tenant_id
  where s.expires_at > now() and t.suspended_at is null
$$;

comment on function ops.live_sessions(text[], uuid[]) is 'Which of these sessions, each with its tenant at the same place of the first array, are open: neither over nor revoked, and their tenant not locked out.';
grant execute on function ops.live_sessions(text[], uuid[]) to :ANON;
--! EndIncluded ops/functions/live_sessions.sql
--! Included cross_tenant_policies.sql
-- Every policy that reaches across tenants, all in this one file. Row-level security is forced, so the owner of the
-- tables sees nothing either: each function or job that needs more has a policy here, for exactly the table and command
-- that it needs. test/db/conventions.test.ts compares this file with the catalog.

-- ops.create_tenant, ops.set_tenant_suspended, ops.tenants and login_tenant_id.
drop policy if exists manage_owner on app_public.tenants;
create policy manage_owner on app_public.tenants for all to :OWNER
  using (true)
  with check (true);

-- ops.bind_login, ops.unbind_login, ops.tenants and login_tenant_id.
drop policy if exists manage_owner on app_private.tenant_logins;
create policy manage_owner on app_private.tenant_logins for all to :OWNER
  using (true)
  with check (true);

-- ops.session_claims and validate_session find a session by the digest of its token and prolong it: that tells whose tenant
-- it is of, so no tenant can be asked for before. ops.live_sessions looks for those of all tenants at once; own_sessions
-- compares tenant and user itself, the view user_sessions the tenant.
--
-- It has to be `true`. The rows of the caller's tenant are none before the look-up; a setting with the digest that is looked
-- for would hold off nobody who can run a statement as the owner, for they can say any setting; and a role of its own, as
-- :SEARCH, would have these same two policies. So nothing runs as the owner but migrations and the functions named here,
-- and test/db/app_public/functions/sessions.test.ts shows of each that other tenants' sessions are as good as none.
drop policy if exists select_owner on app_public.sessions;
create policy select_owner on app_public.sessions for select to :OWNER
  using (true);

drop policy if exists update_owner on app_public.sessions;
create policy update_owner on app_public.sessions for update to :OWNER
  using (true)
  with check (true);

-- The audit triggers.
drop policy if exists insert_owner on audit.log;
create policy insert_owner on audit.log for insert to :OWNER
  with check (true);

-- The search functions, which compare the tenant themselves; below any other policy `@@` and `@>` use no index.
drop policy if exists select_search on app_public.knowledge;
create policy select_search on app_public.knowledge for select to :SEARCH
  using (true);

-- app_public.touch_knowledge.
drop policy if exists update_search on app_public.knowledge;
create policy update_search on app_public.knowledge for update to :SEARCH
  using (true)
  with check (true);

-- The embedding job: what has no embedding, of all tenants.
drop policy if exists select_worker on app_public.knowledge;
create policy select_worker on app_public.knowledge for select to :WORKER
  using (true);

drop policy if exists update_worker on app_public.knowledge;
create policy update_worker on app_public.knowledge for update to :WORKER
  using (true)
  with check (true);

-- ops.roll_up_minutes, ops.merge_hours and ops.merge_days: rollups are made for all tenants at once.
drop policy if exists select_worker on app_public.metrics;
create policy select_worker on app_public.metrics for select to :WORKER
  using (true);

drop policy if exists manage_worker on app_public.metrics_minute;
create policy manage_worker on app_public.metrics_minute for all to :WORKER
  using (true)
  with check (true);

drop policy if exists manage_worker on app_public.metrics_hour;
create policy manage_worker on app_public.metrics_hour for all to :WORKER
  using (true)
  with check (true);

drop policy if exists manage_worker on app_public.metrics_day;
create policy manage_worker on app_public.metrics_day for all to :WORKER
  using (true)
  with check (true);

-- tg_metrics__mark_changes adds to what has to be rolled up; metric_sources reads it, and compares the tenant itself.
drop policy if exists manage_owner on ops.metric_changes;
create policy manage_owner on ops.metric_changes for all to :OWNER
  using (true)
  with check (true);

-- ops.roll_up_minutes and the like.
drop policy if exists manage_worker on ops.metric_changes;
create policy manage_worker on ops.metric_changes for all to :WORKER
  using (true)
  with check (true);

-- They hold nothing of a tenant.
drop policy if exists manage_worker on ops.metric_rollups;
create policy manage_worker on ops.metric_rollups for all to :WORKER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.metric_rollups;
create policy select_operator on ops.metric_rollups for select to :OPERATOR
  using (true);

-- ops.reap_expired_leases, as the worker.
drop policy if exists select_worker on app_public.tasks;
create policy select_worker on app_public.tasks for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.tasks;
create policy update_worker on app_public.tasks for update to :WORKER
  using (true)
  with check (true);
drop policy if exists manage_worker on app_public.task_leases;
create policy manage_worker on app_public.task_leases for all to :WORKER
  using (true)
  with check (true);
drop policy if exists insert_worker on app_public.task_attempts;
create policy insert_worker on app_public.task_attempts for insert to :WORKER
  with check (true);

-- ops.advance_workflow and ops.tend_workflows, as the worker: it ends tasks of every tenant, and their workflows go on.
drop policy if exists select_worker on app_public.workflows;
create policy select_worker on app_public.workflows for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.workflows;
create policy update_worker on app_public.workflows for update to :WORKER
  using (true)
  with check (true);
drop policy if exists select_worker on app_public.workflow_steps;
create policy select_worker on app_public.workflow_steps for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.workflow_steps;
create policy update_worker on app_public.workflow_steps for update to :WORKER
  using (true)
  with check (true);
drop policy if exists insert_worker on app_public.tasks;
create policy insert_worker on app_public.tasks for insert to :WORKER
  with check (true);

-- app_private.tg__publish, ops.read_events and ops.trim_events.
drop policy if exists manage_owner on app_private.events;
create policy manage_owner on app_private.events for all to :OWNER
  using (true)
  with check (true);

-- ops.read_events and ops.trim_events; it holds nothing of a tenant.
drop policy if exists manage_owner on app_private.event_marks;
create policy manage_owner on app_private.event_marks for all to :OWNER
  using (true)
  with check (true);

-- ops.begin_run, ops.renew_run, ops.end_run and ops.abandon_runs; it holds nothing of a tenant.
drop policy if exists manage_owner on ops.job_runs;
create policy manage_owner on ops.job_runs for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.job_runs;
create policy select_operator on ops.job_runs for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.job_runs;
create policy select_worker on ops.job_runs for select to :WORKER
  using (true);

-- Workers, tasks and alerts, which hold nothing of a tenant: the functions that keep them, and who reads them.
drop policy if exists manage_owner on ops.workers;
create policy manage_owner on ops.workers for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.workers;
create policy select_operator on ops.workers for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.workers;
create policy select_worker on ops.workers for select to :WORKER
  using (true);

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
--! EndIncluded cross_tenant_policies.sql

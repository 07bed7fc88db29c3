-- Changes that leave no row in audit.log although the table or its parent is audited: a partition or child was made without the
-- triggers, or triggers were dropped, or disabled and forgotten. Also tables whose columns have changed since tracking was
-- enabled: their log is complete but costs more.
create or replace view ops.check_audit with (security_barrier) as
select
  t.name as subject,
  case when t.missing = '{}' then 'warning' else 'error' end as severity,
  case
    when t.missing = '{}' then format('the columns of %s have changed since its audit was enabled, which makes auditing slower', t.name)
    else format('%s leaves no row in the audit log for %s', t.name, array_to_string(t.missing, ', '))
  end as message,
  jsonb_build_object('missing', t.missing) as details
from (
  select
    format('%s.%s', n.nspname, c.relname) as name,
    array(
      select e.name
      from unnest(array['insert', 'update', 'delete', 'truncate']) e(name)
      where not exists (
        select
        from pg_trigger g
        where g.tgrelid = r.relation and g.tgname = '_800_audit_' || e.name and g.tgenabled in ('O', 'A')
      )
      order by e.name
    ) as missing,
    exists (
      select
      from pg_trigger g
      cross join lateral (select convert_to(audit.table_columns(r.relation)::text, 'UTF8') || '\x00'::bytea as bytes) columns
      where g.tgrelid = r.relation and g.tgname = '_800_audit_update' and g.tgnargs > 0
        and g.tgparentid = 0 and substr(g.tgargs, 1, length(columns.bytes)) <> columns.bytes
    ) as differs
  from (
    with recursive audited as (
      select distinct g.tgrelid as relation
      from pg_trigger g
      -- Leases of tasks are exempt, except for a truncate.
      where g.tgname like '\_800\_audit\_%' and g.tgrelid <> 'app_public.task_leases'::regclass
      union
      select i.inhrelid from audited a join pg_inherits i on i.inhparent = a.relation
    )
    select a.relation from audited a
  ) r
  join pg_class c on c.oid = r.relation
  join pg_namespace n on n.oid = c.relnamespace
) t
where t.missing <> '{}' or t.differs;

comment on view ops.check_audit is 'A check of ops.check_alerts. Tables whose changes the audit log misses, or logs at a higher cost than necessary.';
comment on column ops.check_audit.subject is 'What it is about.';
comment on column ops.check_audit.severity is 'warning or error.';
comment on column ops.check_audit.message is 'What is wrong, in a sentence.';
comment on column ops.check_audit.details is 'The same as JSON, for programs.';

revoke all on ops.check_audit from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_audit to :OPERATOR, :WORKER;

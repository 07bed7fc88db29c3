-- The log across tenants, for operators: who, when, where, how much, and no value of a tenant. `details` are of what belongs to the
-- installation alone: DDL, grants, logins, retention. Definer, as app_public.audit_search.
create or replace function ops.audit_activity(
  tenant_id text default null,
  "table" text default null,
  subject text default null,
  "from" timestamptz default null,
  "to" timestamptz default null,
  operation text default null,
  role text default null,
  request_id text default null,
  before text default null,
  max_rows integer default 100
) returns table (
  at timestamptz, id bigint, transaction_id text, of_tenant text, table_name text, what text, row_count integer, by_subject text,
  login text, as_role text, request text, details jsonb, cursor text
)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  v_place record := audit.cursor_position(before, max_rows);
  v_entries audit.log[];
begin
  select array_agg(l order by l.at desc, l.id desc) into v_entries
  from audit.matching_entries(
    tenant_id, true, audit.table_names("table"), null, subject, "from", "to", operation, role, request_id, v_place.at,
    v_place.id, max_rows
  ) l;
  perform audit.log_read(
    null, 'ops.audit_activity',
    jsonb_build_object(
      'tenant_id', tenant_id, 'table', "table", 'subject', subject, 'from', "from", 'to', "to", 'operation', operation,
      'role', role, 'request_id', request_id, 'before', before, 'max_rows', max_rows
    ),
    cardinality(coalesce(v_entries, '{}'))
  );
  return query
    select
      c.at, c.id, c.transaction_id, l.tenant_id, c.table_name, c.operation, c.row_count, c.subject, c.login, c.role, c.request_id,
      case
        when l.table_name like 'ops.%' or l.tenant_id is null and l.operation not in ('insert', 'update', 'delete')
          then jsonb_strip_nulls(jsonb_build_object('key', l.key, 'old', l.old_values, 'new', l.new_values))
      end,
      c.cursor
    from unnest(v_entries) l
    cross join lateral audit.entry_of(l) c;
end
$$;

comment on function ops.audit_activity(text, text, text, timestamptz, timestamptz, text, text, text, text, integer) is
  'Entries of the audit log across tenants without their values, the newest first. Arguments are those of app_public.audit_search, and a tenant. Is logged. LTA08 an argument.';
grant execute on function ops.audit_activity(text, text, text, timestamptz, timestamptz, text, text, text, text, integer) to :OPERATOR;

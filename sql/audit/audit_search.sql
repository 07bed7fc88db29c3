-- Definer: nobody reads the log but through functions that log the read.
create or replace function app_public.audit_search(
  "table" text default null,
  key jsonb default null,
  subject text default null,
  "from" timestamptz default null,
  "to" timestamptz default null,
  operation text default null,
  role text default null,
  request_id text default null,
  before text default null,
  max_rows integer default 100
) returns setof app_public.audit_entry
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  v_tenant_id text := app_private.current_tenant_id();
  v_place record := audit.cursor_position(before, max_rows);
  v_entries app_public.audit_entry[];
begin
  if key is not null and "table" is null then
    perform app_private.refuse_argument('LTA08', 'table', 'a key was given without its table');
  end if;
  select array_agg(audit.entry_of(l) order by l.at desc, l.id desc) into v_entries
  from audit.matching_entries(
    v_tenant_id, false, audit.table_names("table"), audit.possible_keys(audit.table_names("table"), key, v_tenant_id), subject,
    "from", "to", operation, role, request_id, v_place.at, v_place.id, max_rows
  ) l;
  perform audit.log_read(
    v_tenant_id, 'audit_search',
    jsonb_build_object(
      'table', "table", 'key', key, 'subject', subject, 'from', "from", 'to', "to", 'operation', operation, 'role', role,
      'request_id', request_id, 'before', before, 'max_rows', max_rows
    ),
    cardinality(coalesce(v_entries, '{}'))
  );
  return query select (e).* from unnest(v_entries) e;
end
$$;

comment on function app_public.audit_search(text, jsonb, text, timestamptz, timestamptz, text, text, text, text, integer) is
  E'Entries of the tenant''s audit log, the newest first: of a table (`tasks`; with its schema where that is not app_public), of a row (`key` is its primary key without the tenant, or the single value), by a subject, in [from, to), of an operation, by a role, of a request. The next page begins `before` the cursor of the last entry. `max_rows` is 1 to 1000. Is logged. LTA08 an argument.';
grant execute on function app_public.audit_search(text, jsonb, text, timestamptz, timestamptz, text, text, text, text, integer) to :ADMIN;

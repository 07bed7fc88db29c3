-- Definer, as app_public.audit_search.
create or replace function app_public.row_history("table" text, key jsonb, after text default null, max_rows integer default 100)
returns setof app_public.audit_entry
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  v_tenant_id text := app_private.current_tenant_id();
  v_place record := audit.cursor_position(after, max_rows);
  v_names text[] := audit.table_names("table");
  v_keys jsonb[] := audit.possible_keys(v_names, key, v_tenant_id);
  v_first bigint;
  v_entries app_public.audit_entry[];
begin
  perform audit.refuse_unlogged_table("table");
  if key is null then
    perform app_private.refuse_argument('LTA08', 'key', 'it is missing');
  end if;
  -- A truncate before the row was there says nothing of it.
  select min(e.id) into v_first from audit.row_entries(v_names, v_keys, v_tenant_id) e where e.key is not null;
  select array_agg(audit.entry_of(page.l) order by (page.l).id) into v_entries
  from (
    select e from audit.row_entries(v_names, v_keys, v_tenant_id) e
    where e.id >= v_first and e.id > coalesce(v_place.id, 0)
    order by e.id
    limit max_rows
  ) page(l);
  perform audit.log_read(
    v_tenant_id, 'row_history', jsonb_build_object('table', "table", 'key', key, 'after', after, 'max_rows', max_rows),
    cardinality(coalesce(v_entries, '{}'))
  );
  return query select (e).* from unnest(v_entries) e;
end
$$;

comment on function app_public.row_history(text, jsonb, text, integer) is
  E'Every change of a row, the oldest first. `key` is its primary key without the tenant, or the single value. The next page begins `after` the cursor of the last entry. `max_rows` is 1 to 1000. Is logged. LTA07 the log has no rows of the table, LTA08 an argument.';
grant execute on function app_public.row_history(text, jsonb, text, integer) to :ADMIN;

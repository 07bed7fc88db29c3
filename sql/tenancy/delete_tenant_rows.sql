-- Deletes up to `how_many` rows of a tenant that is being deleted from one table, and counts them. Returns how many. It locks these rows
-- and no other tenant's, and waits two seconds for them at most. A partitioned table without a key gives all of its rows at once.
--
-- Not a definer: the owner calls it, and it becomes the role of jobs, whose policies confine it to the tenant. An entry of the log about
-- a row that goes with its tenant has the key and not the values (audit.tg_log__leave_out_values).
create or replace function ops.delete_tenant_rows(tenant_id text, source regclass, how_many integer) returns bigint
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '2s'
as $$
declare
  v_table record;
  v_owner name := current_user;
  v_of_tenant text;
  v_key text[];
  v_statement text;
  v_count bigint;
begin
  perform app_private.refuse_bounds('how_many', how_many between 1 and 10000, 'between 1 and 10,000');
  perform app_private.refuse_bounds(
    'tenant_id', app_private.is_being_deleted(delete_tenant_rows.tenant_id), 'a tenant whose deletion has begun'
  );
  perform app_private.refuse_held_tenant(delete_tenant_rows.tenant_id);
  select t.*, c.relkind into v_table
  from ops.tables_of_tenants() t
  join pg_class c on c.oid = t.source
  where t.source = delete_tenant_rows.source and t.deletes_as in ('jobs', 'owner');
  perform app_private.refuse_bounds('source', found, 'a table whose rows go with their tenant');

  -- As a text where it is another type; then no index helps.
  select case when a.atttypid in ('text'::regtype, 'varchar'::regtype) then 't.tenant_id = $1' else 't.tenant_id::text = $1' end
  into strict v_of_tenant
  from pg_attribute a where a.attrelid = source and a.attname = 'tenant_id';
  v_key := audit.key_columns(source);
  v_statement := case
    when v_table.relkind = 'p' and v_key = '{}' then format('delete from %s t where %s', source, v_of_tenant)
    when v_table.relkind = 'p' then format(
      'delete from %1$s d using (select %2$s from %1$s t where %3$s limit $2) t where %4$s',
      source, (select string_agg(format('t.%I', k), ', ') from unnest(v_key) k), v_of_tenant,
      (select string_agg(format('d.%1$I = t.%1$I', k), ' and ') from unnest(v_key) k)
    )
    else format(
      'delete from %1$s d where d.ctid = any (array(select t.ctid from %1$s t where %2$s limit $2))', source, v_of_tenant
    )
  end;

  perform set_config('app.retention_tenant_id', delete_tenant_rows.tenant_id, true);
  if v_table.deletes_as = 'jobs' then
    perform set_config('role', ':JOBS', true);
  end if;
  execute v_statement using delete_tenant_rows.tenant_id, how_many;
  get diagnostics v_count = row_count;
  perform set_config('role', v_owner, true);
  -- What constraints and triggers have put off is done under the setting, too.
  set constraints all immediate;
  perform set_config('app.retention_tenant_id', '', true);

  if v_count > 0 then
    perform app_private.count_removed_rows(delete_tenant_rows.tenant_id, v_table.name, v_count);
  end if;
  return v_count;
end
$$;

comment on function ops.delete_tenant_rows(text, regclass, integer) is 'Deletes up to `how_many` rows of a tenant that is being deleted from one table, and counts them. Returns how many. LTT06 while a hold keeps some of its data, LTP06 an argument.';
-- No grant: only the owner calls it.

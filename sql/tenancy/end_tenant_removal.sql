-- Ends the deletion of a tenant, unless a table still has rows of it: then it returns their names and changes nothing. The row of the
-- tenant goes, with what only operators keep about it, and an entry of the log says who deleted how many rows of which tables.
create or replace function ops.end_tenant_removal(tenant_id text) returns text[]
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '2s'
as $$
declare
  v_owner name := current_user;
  v_table record;
  v_found boolean;
  v_left text[] := '{}';
  v_removal ops.tenant_removals;
begin
  perform app_private.refuse_bounds(
    'tenant_id', app_private.is_being_deleted(end_tenant_removal.tenant_id), 'a tenant whose deletion has begun'
  );
  perform app_private.refuse_held_tenant(end_tenant_removal.tenant_id);
  perform set_config('app.retention_tenant_id', end_tenant_removal.tenant_id, true);
  for v_table in select t.* from ops.tables_of_tenants() t loop
    if v_table.deletes_as is distinct from 'owner' then
      perform set_config('role', ':JOBS', true);
    end if;
    execute format('select exists (select from %s t where t.tenant_id::text = $1)', v_table.source)
    into v_found using end_tenant_removal.tenant_id;
    perform set_config('role', v_owner, true);
    if v_found then
      v_left := v_left || v_table.name;
    end if;
  end loop;
  perform set_config('app.retention_tenant_id', '', true);
  if v_left <> '{}' then
    return v_left;
  end if;

  delete from app_public.tenants t where t.id = end_tenant_removal.tenant_id;
  delete from ops.refused_callers c
  where c.caller = 'tenant ' || end_tenant_removal.tenant_id or starts_with(c.caller, 'tenant ' || end_tenant_removal.tenant_id || ', ');
  update ops.tenant_removals r
  set ended_at = clock_timestamp()
  where r.id = end_tenant_removal.tenant_id
  returning * into strict v_removal;
  perform audit.record_event(
    'tenant deleted', v_removal.id, null,
    jsonb_build_object(
      'rows', v_removal.row_counts, 'begun_at', v_removal.begun_at, 'begun_by', v_removal.begun_by, 'export_id', v_removal.export_id
    )
  );
  return v_left;
end
$$;

comment on function ops.end_tenant_removal(text) is 'Ends the deletion of a tenant and returns nothing, or returns the tables that still have rows of it. LTT06 while a hold keeps some of its data, LTP06 when its deletion has not begun.';
-- No grant: only the owner calls it.

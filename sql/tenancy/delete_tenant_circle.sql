-- Deletes all rows of a tenant that is being deleted from tables whose rows refer to each other in a circle, or from one whose rows refer
-- to others of it: in one statement, at whose end the foreign keys are checked. Returns how many. As ops.delete_tenant_rows else.
create or replace function ops.delete_tenant_circle(tenant_id text, sources regclass[]) returns bigint
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '2s'
as $$
declare
  v_owner name := current_user;
  v_roles text[];
  v_deletes text;
  v_counts jsonb;
begin
  perform app_private.refuse_bounds(
    'tenant_id', app_private.is_being_deleted(delete_tenant_circle.tenant_id), 'a tenant whose deletion has begun'
  );
  perform app_private.refuse_held_tenant(delete_tenant_circle.tenant_id);
  select
    array_agg(distinct t.deletes_as),
    string_agg(format('d%s as (delete from %s t where t.tenant_id::text = $1 returning %L as name)', t.n, t.source, t.name), ', ')
      || ' select jsonb_object_agg(c.name, c.count) from (select r.name, count(*) from ('
      || string_agg(format('select d.name from d%s d', t.n), ' union all ') || ') r group by 1) c'
  into v_roles, v_deletes
  from (
    select t.*, row_number() over () as n
    from ops.tables_of_tenants() t
    where t.source = any (delete_tenant_circle.sources) and t.deletes_as in ('jobs', 'owner')
  ) t
  having count(*) = cardinality(delete_tenant_circle.sources);
  perform app_private.refuse_bounds('sources', v_roles is not null, 'tables whose rows go with their tenant');

  perform set_config('app.retention_tenant_id', delete_tenant_circle.tenant_id, true);
  if 'jobs' = any (v_roles) then
    perform set_config('role', ':JOBS', true);
  end if;
  set constraints all deferred;
  execute 'with ' || v_deletes into v_counts using delete_tenant_circle.tenant_id;
  set constraints all immediate;
  perform set_config('role', v_owner, true);
  perform set_config('app.retention_tenant_id', '', true);

  perform app_private.count_removed_rows(delete_tenant_circle.tenant_id, c.key, c.value::bigint) from jsonb_each_text(v_counts) c;
  return coalesce((select sum(c.value::bigint) from jsonb_each_text(v_counts) c), 0);
end
$$;

comment on function ops.delete_tenant_circle(text, regclass[]) is 'Deletes all rows of a tenant that is being deleted from tables whose rows refer to each other, in one statement. Returns how many. LTT06 while a hold keeps some of its data, LTP06 an argument.';
-- No grant: only the owner calls it.

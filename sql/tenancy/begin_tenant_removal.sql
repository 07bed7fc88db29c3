-- Begins to delete a tenant, or goes on where an earlier deletion was interrupted: suspends it, and lets the role of jobs delete its rows
-- from tables that nobody let it into. Refuses while a hold keeps some of its data, and where a table will not give its rows. The steps
-- that follow are ops.delete_tenant_rows (ops.delete_tenant_circle), again and again, and ops.end_tenant_removal.
create or replace function ops.begin_tenant_removal(tenant_id text) returns ops.tenant_removals
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '2s'
as $$
declare
  v_removal ops.tenant_removals;
  v_source regclass;
  v_problem text;
begin
  perform from app_public.tenants t where t.id = begin_tenant_removal.tenant_id for no key update;
  if not found then
    raise exception 'tenant % does not exist', begin_tenant_removal.tenant_id
      using errcode = 'LTT02', hint = 'List them: select * from ops.tenants.';
  end if;
  perform app_private.refuse_held_tenant(begin_tenant_removal.tenant_id);
  select t.problem into v_problem from ops.tables_of_tenants() t where t.problem is not null order by t.name limit 1;
  if found then
    raise exception 'the rows of tenant % cannot be deleted: %', begin_tenant_removal.tenant_id, v_problem
      using errcode = 'LTT07', hint = 'Give the table to :OWNER: alter table ... owner to :OWNER. Or drop it.';
  end if;
  for v_source in select t.source from ops.tables_of_tenants() t where t.deletes_as = 'nobody yet' order by t.name loop
    perform app_private.allow_tenant_removal(v_source);
  end loop;

  perform ops.set_tenant_suspended(begin_tenant_removal.tenant_id, true);
  insert into ops.tenant_removals (id) values (begin_tenant_removal.tenant_id)
  on conflict on constraint tenant_removals_pkey do update
  set begun_at = excluded.begun_at, begun_by = excluded.begun_by, export_id = null, row_counts = '{}', ended_at = null
  where tenant_removals.ended_at is not null
  returning * into v_removal;
  if found then
    perform audit.record_event('delete tenant', begin_tenant_removal.tenant_id);
  else
    select r.* into strict v_removal from ops.tenant_removals r where r.id = begin_tenant_removal.tenant_id;
  end if;
  return v_removal;
end
$$;

comment on function ops.begin_tenant_removal(text) is 'Begins to delete a tenant, or goes on with it, and suspends it. LTT02 when it does not exist, LTT06 while a hold keeps some of its data, LTT07 where a table will not give its rows.';
-- No grant: only the owner calls it.

-- Lets the role of jobs delete the rows of one tenant from a table with a column tenant_id: the tenant that
-- app_private.retention_tenant_id() names. What the table grants the role already stays as it is. The file of each table of tenants
-- calls it, and the deletion of a tenant does where no file did.
--
-- A row is found by its place (ctid), in a partitioned table by its key. No other column can be read.
create or replace function app_private.allow_tenant_removal(target regclass) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_command text;
  v_schema name;
  v_columns text;
begin
  foreach v_command in array array['select', 'delete'] loop
    if not exists (
      select
      from pg_policy p
      where p.polrelid = target and p.polcmd in ('*', case v_command when 'select' then 'r' else 'd' end)
        and ':JOBS'::regrole = any (p.polroles)
    ) then
      execute format(
        'create policy %1$s_jobs on %2$s for %1$s to %3$I using (tenant_id::text = (select app_private.retention_tenant_id()))',
        v_command, target, ':JOBS'
      );
    end if;
  end loop;
  select n.nspname into strict v_schema from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = target;
  if not has_schema_privilege(':JOBS', v_schema, 'usage') then
    execute format('grant usage on schema %I to %I', v_schema, ':JOBS');
  end if;
  execute format('grant delete on %s to %I', target, ':JOBS');
  if not has_table_privilege(':JOBS', target, 'select') then
    select string_agg(distinct quote_ident(k), ', ') into strict v_columns
    from pg_class c
    cross join unnest(case c.relkind when 'p' then audit.key_columns(c.oid) else '{ctid}' end || '{tenant_id}'::text[]) k
    where c.oid = target;
    execute format('grant select (%s) on %s to %I', v_columns, target, ':JOBS');
  end if;
end
$$;

comment on function app_private.allow_tenant_removal(regclass) is 'Lets the role of jobs delete the rows of one tenant from a table, the tenant that app_private.retention_tenant_id() names.';
-- No grant: only the owner calls it.

-- Every table whose rows go with their tenant: those with a column tenant_id, whatever made them, partitions by their table. Of each it
-- says as which role rows are deleted, and why they cannot be. The role of jobs is confined to one tenant by policies; where the owner
-- is not filtered, or no file of the table lets the role of jobs in yet, that stands there too.
--
-- Not among them: app_public.tenants, whose row goes last; and audit.log, of which nothing is deleted.
create or replace function ops.tables_of_tenants() returns table (name text, source regclass, deletes_as text, problem text)
language sql stable
set search_path to pg_catalog, pg_temp
as $$
  select
    n.nspname || '.' || c.relname, c.oid::regclass,
    case
      when x.jobs then 'jobs'
      when x.owned and x.unfiltered or not x.owned and x.granted and not c.relrowsecurity then 'owner'
      when x.owned then 'nobody yet'
    end,
    case
      when not (x.jobs or x.owned or x.granted and not c.relrowsecurity)
      then format('%s belongs to %s, and %s may not delete its rows', c.oid::regclass, c.relowner::regrole, ':OWNER')
    end
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  cross join lateral (
    select
      has_table_privilege(':JOBS', c.oid, 'delete') and has_schema_privilege(':JOBS', n.oid, 'usage')
        and (c.relkind = 'p' or has_column_privilege(':JOBS', c.oid, 'ctid', 'select')) as jobs,
      pg_has_role(':OWNER', c.relowner, 'usage') as owned,
      has_table_privilege(':OWNER', c.oid, 'select') and has_table_privilege(':OWNER', c.oid, 'delete') as granted,
      not (c.relrowsecurity and c.relforcerowsecurity) or exists (
        select
        from pg_policy p
        where p.polrelid = c.oid and p.polcmd = '*' and ':OWNER'::regrole = any (p.polroles)
          and pg_get_expr(p.polqual, p.polrelid) = 'true'
      ) as unfiltered
  ) x
  where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
    and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
    and exists (
      select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and a.attnum > 0 and not a.attisdropped
    )
    and c.oid not in ('app_public.tenants'::regclass, 'audit.log'::regclass)
  order by (n.nspname || '.' || c.relname) collate "C"
$$;

comment on function ops.tables_of_tenants() is 'The tables whose rows go with their tenant, as which role they are deleted, and why they cannot be.';
-- No grant: only the owner calls it.

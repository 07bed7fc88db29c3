-- The migrations that this database has, oldest first. For every process that wants to know whether it fits the schema;
-- definer, because the ledger is the owner's, and file names are no secret.
create or replace function ops.applied_migrations() returns setof text
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  return query select m.filename from graphile_migrate.migrations m order by m.filename;
end
$$;

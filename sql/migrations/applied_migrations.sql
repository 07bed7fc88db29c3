-- The migrations that this database has, oldest first. For every process that wants to know whether it fits the schema;
-- definer, because the ledger is the owner's, and names and hashes of files are no secret.
create or replace function ops.applied_migrations() returns table (filename text, hash text)
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  return query select m.filename, m.hash from graphile_migrate.migrations m order by m.filename;
end
$$;

comment on function ops.applied_migrations() is 'The migrations that this database has, oldest first, with the hashes of their texts.';
-- Whether the schema fits is asked by every process before it serves, by the API as an anonymous request.
grant execute on function ops.applied_migrations() to :ANON, :OPERATOR, :WORKER;

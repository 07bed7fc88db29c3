-- The migrations that this database has, oldest first. Every process calls it to check whether it fits the schema. Definer: the
-- ledger belongs to the owner, and the names and hashes of files are not secret.
create or replace function ops.applied_migrations() returns table (filename text, hash text)
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  return query select m.filename, m.hash from graphile_migrate.migrations m order by m.filename;
end
$$;

comment on function ops.applied_migrations() is 'The migrations that this database has, oldest first, with the hashes of their texts.';
-- Every process checks before it serves whether the schema fits, the API as an anonymous request.
grant execute on function ops.applied_migrations() to :ANON, :OPERATOR, :WORKER;

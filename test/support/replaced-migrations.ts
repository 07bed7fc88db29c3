import { Client } from 'pg';

/** Makes of a migrated database one that migrations made which were replaced since; connects as a superuser. */
export async function makeReplaced(connectionString: string): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    await client.query(asOfBefore);
  } finally {
    await client.end();
  }
}

/** The ledger as of before, and what a request learned of it. */
const asOfBefore = `
  delete from graphile_migrate.migrations where filename > '000001.sql';
  update graphile_migrate.migrations set hash = 'sha1:7a1e48c617d29842d479a1368ca0d69b5c2c3499' where filename = '000001.sql';
  insert into graphile_migrate.migrations (hash, filename)
    select 'sha1:before' || n, to_char(n, 'FM000000') || '.sql' from generate_series(2, 31) n;
  drop function ops.applied_migrations();
  set role lightning_owner;
  create function ops.applied_migrations() returns setof text language sql stable security definer
    set search_path to pg_catalog, pg_temp
    as 'select m.filename from graphile_migrate.migrations m order by 1';
  reset role;
  grant execute on function ops.applied_migrations() to lightning_anon, lightning_operator, lightning_worker;
`;

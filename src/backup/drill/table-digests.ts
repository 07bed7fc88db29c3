import type { Executor } from '../../db/database.ts';
import { quoteIdentifier, sql } from '../../db/statement.ts';

/** What a table holds, in two numbers that do not depend on the order of its rows. */
export interface TableDigest {
  /** Schema and name, quoted as SQL needs it. */
  readonly table: string;
  readonly rows: number;
  /** The sum of a 64-bit hash of each row, in decimal. */
  readonly digest: string;
}

/** Every table that a backup must bring back, partitions one by one. Unlogged and temporary tables are in none. */
export async function listTables(executor: Executor): Promise<readonly string[]> {
  const { rows } = await executor.query<{ schema: string; name: string }>(sql`
    select n.nspname as schema, c.relname as name
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'm') and c.relpersistence = 'p'
      and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
    order by n.nspname collate "C", c.relname collate "C"`);
  return rows.map(({ schema, name }) => `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`);
}

/**
 * Counts and hashes every row of the tables, in the order given. In a transaction that sees one moment it is that moment's
 * state. Row-level security is off: a login that it would filter gets an error (42501), never fewer rows.
 *
 * Rows are hashed in their binary form, which no setting changes and which costs a tenth of the text of an embedding.
 */
export async function digestTables(
  executor: Executor,
  tables: readonly string[],
  onTable: (table: string) => void = () => {},
): Promise<readonly TableDigest[]> {
  await executor.query({ text: 'set local row_security = off' });
  const digests: TableDigest[] = [];
  for (const table of tables) {
    onTable(table);
    const { rows } = await executor.query<{ rows: string; digest: string }>({
      text: `
        select count(*) as rows,
          coalesce(sum(pg_catalog.hashtextextended(pg_catalog.md5(pg_catalog.record_send(t)), 0)), 0)::text as digest
        from only ${table} t`,
    });
    const [found] = rows;
    if (found) digests.push({ table, rows: Number(found.rows), digest: found.digest });
  }
  return digests;
}

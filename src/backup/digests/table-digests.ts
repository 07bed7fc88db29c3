import type { Executor } from '../../db/database.ts';
import { quoteIdentifier, sql } from '../../db/statement.ts';

/** A table's content in two numbers that do not depend on the order of its rows. */
export interface TableDigest {
  /** Schema and name, quoted as SQL needs it. */
  readonly table: string;
  readonly rows: number;
  /** The sum of a 64-bit hash of each row, in decimal. */
  readonly digest: string;
}

/**
 * Every table that a backup must bring back, each partition as a table of its own. Backups do not hold unlogged and
 * temporary tables.
 */
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
 * The table that drills damage in a copy: every database of ours has a row in it, and no view or rule is in the way.
 */
export const damagedTable = '"app_public"."tenants"';

/**
 * Counts and hashes every row of the tables, in the order given. In a transaction with one snapshot the digests
 * describe that moment. Row-level security is off: a login that it would filter gets an error (42501), never fewer
 * rows.
 *
 * Rows are hashed in their binary form, which no setting changes, and which costs a tenth of the text form for an
 * embedding.
 */
export async function digestTables(
  executor: Executor,
  tables: readonly string[],
  onTable: (table: string) => void = () => {},
): Promise<readonly TableDigest[]> {
  await executor.query({ text: 'set local row_security = off' });
  const rowForms = await readRowForms(executor, tables);
  const digests: TableDigest[] = [];
  for (const table of tables) {
    onTable(table);
    const row = rowForms.get(table) ?? 't.*';
    const { rows } = await executor.query<{ rows: string; digest: string }>({
      text: `
        select pg_catalog.count(*) as rows,
          coalesce(pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.md5(pg_catalog.record_send(${row})), 0)), 0)::pg_catalog.text
            as digest
        from only ${table} t`,
    });
    const [found] = rows;
    if (found) digests.push({ table, rows: Number(found.rows), digest: found.digest });
  }
  return digests;
}

/**
 * Rows of `only <table> t` in a form that record_send accepts, for the tables where it does not accept `t.*`: columns
 * whose type lacks a binary form, or contains a type that lacks one (aclitem, types of some extensions), are cast to
 * text. (`t.*` rather than `t`, because `t` would mean a column in a table that has one of that name.)
 */
async function readRowForms(
  executor: Executor,
  tables: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await executor.query<{ table: string; columns: string[]; sendable: boolean[] }>(sql`
    with recursive parts as (
      select l.name as table, a.attnum, a.attname, a.atttypid as type
      from unnest(${tables}::pg_catalog.text[]) l(name)
      join pg_catalog.pg_attribute a on a.attrelid = l.name::pg_catalog.regclass and a.attnum > 0 and not a.attisdropped
      union
      select p.table, p.attnum, p.attname, inner_type.oid
      from parts p
      join pg_catalog.pg_type t on t.oid = p.type
      cross join lateral (
        select t.typelem as oid where t.typlen = -1
        union all
        select t.typbasetype
        union all
        select r.rngsubtype from pg_catalog.pg_range r where t.oid in (r.rngtypid, r.rngmultitypid)
        union all
        select a.atttypid
        from pg_catalog.pg_attribute a
        where a.attrelid = t.typrelid and t.typtype = 'c' and a.attnum > 0 and not a.attisdropped
      ) inner_type
      where inner_type.oid <> 0
    ),
    columns as (
      select p.table, p.attnum, p.attname, pg_catalog.bool_and(t.typsend <> 0) as sendable
      from parts p
      join pg_catalog.pg_type t on t.oid = p.type
      group by p.table, p.attnum, p.attname
    )
    select c.table, pg_catalog.array_agg(c.attname::pg_catalog.text order by c.attnum) as columns,
      pg_catalog.array_agg(c.sendable order by c.attnum) as sendable
    from columns c
    group by c.table
    having not pg_catalog.bool_and(c.sendable)`);
  return new Map(
    rows.map(({ table, columns, sendable }) => {
      const forms = columns.map(
        (name, i) => `t.${quoteIdentifier(name)}${sendable[i] ? '' : '::pg_catalog.text'}`,
      );
      return [table, `row(${forms.join(', ')})`];
    }),
  );
}

import { DatabaseError } from 'pg';
import type { Executor } from '../db/database.ts';
import { quoteIdentifier, quoteLiteral, sql } from '../db/statement.ts';
import type { OnProgress } from '../on-progress.ts';

/** A row that is not what the log says it should be, or a table that cannot be held against the log. */
export interface RowDifference {
  /** The table, as the log calls it. */
  readonly table: string;
  /**
   * `differs`: columns have other values. `missing`: the log knows of no delete. `deleted`: the log says that it was deleted.
   * `unrecorded`: the log knows of no insert. `trigger`: changes of the table leave no row in the log. `unreadable`: the table
   * could not be compared.
   */
  readonly kind: 'differs' | 'missing' | 'deleted' | 'unrecorded' | 'trigger' | 'unreadable';
  readonly key: unknown;
  readonly columns: readonly string[];
  readonly message: string;
}

/** The result of a comparison. It is good only when rows were compared and `differences` is empty. */
export interface RowsVerdict {
  readonly tables: number;
  /** Rows that stand in a table or should. */
  readonly rows: number;
  /** The first of each table, in the order of the tables. */
  readonly differences: readonly RowDifference[];
}

/** A table that the log keeps row by row. */
interface AuditedTable {
  readonly schema: string;
  readonly name: string;
  readonly key: readonly string[];
  /** Columns that a counter may change without a row in the log. */
  readonly counted: readonly string[];
  /** Audit triggers that are missing or disabled. */
  readonly missing: readonly string[];
}

/** Differences that are named of each table. */
const namedOfTable = 5;

/**
 * Compares every row of the audited tables with what the log says it should be: a row that was changed with triggers off is in no
 * log. Row-level security has to be off. Each table is one statement, which Postgres sorts on its disk when it is large. Only columns
 * that the log keeps are compared, digested ones by their digest; a table that is logged by statement cannot be compared.
 */
export async function verifyRows(
  executor: Executor,
  { onProgress, signal }: { onProgress?: OnProgress | undefined; signal?: AbortSignal | undefined } = {},
): Promise<RowsVerdict> {
  const tables = await auditedTables(executor);
  const differences: RowDifference[] = [];
  let rows = 0;
  for (const [i, table] of tables.entries()) {
    signal?.throwIfAborted();
    const name = `${table.schema}.${table.name}`;
    onProgress?.(i / tables.length, `comparing ${name} with the log`);
    if (table.missing.length > 0) {
      const message = `${name} leaves no row in the audit log for ${table.missing.join(', ')}: a trigger is missing or disabled`;
      differences.push({ table: name, kind: 'trigger', key: null, columns: [], message });
    }
    try {
      const found = await compare(executor, table);
      rows += found.rows;
      differences.push(...found.differences);
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code === '42501' || error.code === '57014') throw error;
      const message = `${name} could not be compared with the log: ${error.message}`;
      differences.push({ table: name, kind: 'unreadable', key: null, columns: [], message });
    }
  }
  return { tables: tables.length, rows, differences };
}

/** The tables of which the log keeps rows: by their triggers, or by what they left in the log when the triggers are gone. */
async function auditedTables(executor: Executor): Promise<readonly AuditedTable[]> {
  const { rows } = await executor.query<AuditedTable>(sql`
    select n.nspname as schema, c.relname as name, k.columns as key,
      array(
        select a.attname::pg_catalog.text
        from pg_catalog.pg_attribute a
        cross join lateral (
          select (pg_catalog.regexp_match(pg_catalog.pg_get_triggerdef(t.oid), 'WHEN \\(\\(CURRENT_USER <> ''(.+?)''::name\\)\\)'))[1] as role
          from pg_catalog.pg_trigger t
          where t.tgrelid = c.oid and t.tgname = '_800_audit_update'
        ) counter
        join pg_catalog.pg_roles r on r.rolname = counter.role
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
          and pg_catalog.has_column_privilege(r.oid, c.oid, a.attnum, 'update')
      ) as counted,
      array(
        select e.name
        from unnest(array['insert', 'update', 'delete', 'truncate']) e(name)
        where not exists (
          select from pg_catalog.pg_trigger t
          where t.tgrelid = c.oid and t.tgname = '_800_audit_' || e.name and t.tgenabled in ('O', 'A')
        )
        order by e.name
      ) as missing
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    cross join lateral (
      select coalesce(pg_catalog.array_agg(a.attname::pg_catalog.text order by u.position), '{}') as columns
      from pg_catalog.pg_index i
      cross join unnest(i.indkey::pg_catalog.int2[]) with ordinality u(attnum, position)
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.attnum
      where i.indrelid = c.oid and i.indisprimary and u.position <= i.indnkeyatts
    ) k
    where c.relkind in ('r', 'p') and not c.relispartition and n.nspname not in ('audit', 'pg_catalog') and k.columns <> '{}'
      and (
        exists (
          select from pg_catalog.pg_trigger t
          where t.tgrelid = c.oid and t.tgname = '_800_audit_update' and t.tgnargs > 0
        )
        or n.nspname = 'app_public'
          and not exists (select from pg_catalog.pg_trigger t where t.tgrelid = c.oid and t.tgname = '_800_audit_update')
          and exists (
            select from audit.log l
            where l.table_name = n.nspname || '.' || c.relname and l.key is not null and l.new_values is not null
          )
      )
    order by 1, 2`);
  return rows;
}

interface Compared {
  readonly rows: number;
  readonly differences: readonly RowDifference[];
}

async function compare(executor: Executor, table: AuditedTable): Promise<Compared> {
  const name = `${table.schema}.${table.name}`;
  const relation = `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`;
  const literal = quoteLiteral(name).trim();
  const member = (column: string): string =>
    `${quoteLiteral(column).trim()}, ${whole('t')} -> ${quoteLiteral(column).trim()}`;
  const { rows } = await executor.query<{
    kind: RowDifference['kind'] | null;
    key: unknown;
    columns: string[] | null;
    total: string;
  }>({
    text: `
      with emptied as (
        select coalesce(pg_catalog.max(l.id), pg_catalog.int8(-9223372036854775808)) as id
        from audit.log l
        where l.table_name = ${literal} and l.operation = 'truncate'
      ),
      -- The ids of the log follow the order of the changes of one row, whose lock a change holds while it is logged. Of a column
      -- that was logged several times the last value counts.
      logged as (
        select l.key, pg_catalog.jsonb_object_agg(e.key, e.value order by l.id) filter (where e.key is not null) as doc,
          (pg_catalog.array_agg(l.operation order by l.id desc))[1] as operation,
          pg_catalog.bool_or(l.operation in ('insert', 'present')) as whole
        from audit.log l
        cross join emptied x
        left join lateral pg_catalog.jsonb_each(l.new_values) e on true
        where l.table_name = ${literal} and l.key is not null and l.id > x.id
        group by l.key
      ),
      present as (
        select pg_catalog.jsonb_build_object(${table.key.map(member).join(', ')}) as key, ${whole('t')} as doc
        from ${relation} t
      ),
      compared as (
        select coalesce(p.key, l.key) as key, d.columns,
          case
            when p.key is null then case when l.operation = 'delete' then null else 'missing' end
            when l.key is null or not l.whole then case when $1 then null else 'unrecorded' end
            when l.operation = 'delete' then 'deleted'
            when d.columns is not null then 'differs'
          end as kind,
          p.key is not null or l.operation <> 'delete' as counts
        from logged l
        full join present p on p.key = l.key
        left join lateral (
          select pg_catalog.array_agg(e.key order by e.key) as columns
          from pg_catalog.jsonb_each(l.doc) e
          where p.doc ? e.key and e.key <> all ($2::pg_catalog.text[])
            and p.doc -> e.key is distinct from e.value
            and coalesce(
              e.value #>> '{}' <> 'sha256:' || pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(p.doc ->> e.key, 'UTF8')), 'hex'), true
            )
        ) d on true
      )
      select c.kind, c.key, c.columns, pg_catalog.count(*) filter (where c.counts) over ()::pg_catalog.text as total
      from compared c
      order by c.kind is null, c.key::pg_catalog.text
      limit ${namedOfTable}`,
    values: [await isTrimmed(executor), table.counted],
  });
  return {
    rows: Number(rows[0]?.total ?? 0),
    differences: rows.flatMap(({ kind, key, columns }) => {
      if (kind === null) return [];
      const what = `row ${JSON.stringify(key)} of ${name}`;
      const changed = kind === 'differs' ? (columns ?? []) : [];
      return [{ table: name, kind, key, columns: changed, message: inWords(what, kind, changed) }];
    }),
  };
}

const whole = (row: string): string => `pg_catalog.to_jsonb(${row}.*)`;

/** Whether retention has removed a part of the log: then the insert of a row may have gone with it. */
async function isTrimmed(executor: Executor): Promise<boolean> {
  const { rows } = await executor.query<{ trimmed: boolean }>(
    sql`select exists (select from audit.seals where kind = 'removal') as trimmed`,
  );
  return rows[0]?.trimmed ?? false;
}

function inWords(what: string, kind: RowDifference['kind'], columns: readonly string[]): string {
  if (kind === 'missing') return `${what} is gone, and the log has no delete of it`;
  if (kind === 'deleted') return `${what} is there, and the log says that it was deleted`;
  if (kind === 'unrecorded') return `${what} is there, and the log has no insert of it`;
  return `${what} is not what the log says: ${columns.join(', ')}`;
}

import { sql } from '../db/statement.ts';
import type { Executor } from '../db/database.ts';
import { roleName } from '../db/roles.ts';
import { readCatalog } from '../export/catalog.ts';
import type { Table } from '../export/catalog.ts';

/** A column that an import may write. */
export interface WritableColumn {
  readonly name: string;
  /** As SQL names it, without a length: a cast to it would cut what is too long, instead of refusing it. */
  readonly type: string;
  readonly isJson: boolean;
  readonly isText: boolean;
  /** The default as SQL; null: there is none. */
  readonly fallback: string | null;
  readonly isRequired: boolean;
  /** Whether the tenant's services may read it. */
  readonly isReadable: boolean;
}

/** A table that a tenant's service may add rows to. */
export interface WritableTable {
  readonly table: Table;
  readonly columns: readonly WritableColumn[];
  /** Its other columns, which only the database writes. A source may have them, and they are left out. */
  readonly ownColumns: readonly string[];
  /** The columns by which a row is known in its tenant; empty: the database numbers rows, and a row is known by all that it says. */
  readonly key: readonly string[];
  /** Where `key` is empty, the column with the number. */
  readonly numbered: string | null;
}

/** The tables that an import may write, by name without a schema, and why it may not write the others. */
export interface Tables {
  readonly writable: ReadonlyMap<string, WritableTable>;
  readonly refused: ReadonlyMap<string, string>;
}

const schema = 'app_public';

/** Asks the database which tables a tenant's service may add rows to. */
export async function readTables(executor: Executor, rolePrefix: string): Promise<Tables> {
  const catalog = (await readCatalog(executor)).filter(({ name }) => name.startsWith(`${schema}.`));
  const service = roleName(rolePrefix, 'service');
  const { rows } = await executor.query<{
    table: string;
    column: string;
    insertable: boolean;
    readable: boolean;
    required: boolean;
    fallback: string | null;
    category: string;
  }>(sql`
    select c.relname as table, a.attname as column, a.attnotnull as required,
      pg_catalog.has_column_privilege(${service}::name, c.oid, a.attnum, 'insert') and a.attgenerated = '' as insertable,
      pg_catalog.has_column_privilege(${service}::name, c.oid, a.attnum, 'select') as readable,
      pg_catalog.pg_get_expr(d.adbin, d.adrelid) as fallback,
      case when t.typname in ('json', 'jsonb') then 'json' else t.typcategory::text end as category
    from pg_catalog.pg_class c
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join pg_catalog.pg_type t on t.oid = a.atttypid
    left join pg_catalog.pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = ${schema}::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    order by a.attnum`);
  const columns = Map.groupBy(rows, ({ table }) => table);
  const writable = new Map<string, WritableTable>();
  const refused = new Map<string, string>();
  for (const table of catalog) {
    const name = table.name.slice(schema.length + 1);
    const all = columns.get(name) ?? [];
    const types = new Map(table.columns.map((column) => [column.name, column.type]));
    const written = all.filter(
      ({ column, insertable }) => insertable && table.tenantColumn === 'tenant_id' && column !== 'tenant_id',
    );
    if (written.length === 0) {
      refused.set(name, reasons.get(name) ?? 'only the database itself writes it');
      continue;
    }
    const names = new Set(written.map(({ column }) => column));
    const key = table.key.filter((column) => column !== 'tenant_id');
    const numbered = key.find((column) => !names.has(column)) ?? null;
    writable.set(name, {
      table,
      columns: written.map(({ column, category, fallback, required, readable }) => ({
        name: column,
        type: (types.get(column) ?? 'text').replace(/\(\d+(?:,\d+)?\)/, ''),
        isJson: category === 'json',
        isText: category === 'S',
        fallback,
        isRequired: required,
        isReadable: readable,
      })),
      ownColumns: all
        .map(({ column }) => column)
        .filter((column) => !names.has(column) && column !== 'tenant_id'),
      key: numbered === null ? key : [],
      numbered,
    });
  }
  return { writable, refused };
}

/** Tables that are written in another way. */
const reasons: ReadonlyMap<string, string> = new Map([
  ['tenants', 'lightning tenant create makes tenants'],
  [
    'messages',
    'append_messages adds and numbers messages (docs/conversations.md); lightning export carries them',
  ],
]);

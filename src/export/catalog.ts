import type { Executor } from '../db/database.ts';
import { quoteIdentifier, sql } from '../db/statement.ts';
import {
  alsoCarried,
  auditLeftOut,
  auditTables,
  leftOut,
  leftOutColumns,
  leftOutSchemas,
  undecided,
} from './left-out.ts';

/** A column that holds state: generated ones are computed anew. */
export interface Column {
  readonly name: string;
  /** As SQL names it, such as `character varying(50)`. */
  readonly type: string;
  /** How its value stands in a line: `text` as what Postgres prints of it, in a string; `json` as to_json has it. */
  readonly form: 'json' | 'text';
  /** How rows are ordered by it, so that any Postgres orders them in the same way. */
  readonly order: 'value' | 'collated' | 'text';
  /** Whether it is an identity column. */
  readonly identity: boolean;
}

/** A table of the catalog; a partitioned one with all of its partitions. */
export interface Table {
  /** Schema and name, such as `app_public.agents`. */
  readonly name: string;
  /** The same, quoted for SQL. */
  readonly relation: string;
  readonly partitioned: boolean;
  /** Whether it is a former partition that retention is about to drop. */
  readonly leaving: boolean;
  readonly columns: readonly Column[];
  readonly key: readonly string[];
  /** The column with the tenant; null: it has none. */
  readonly tenantColumn: string | null;
}

/** What an export takes from a catalog: the tables, and why it leaves out the others. */
export interface Selection {
  readonly carried: readonly Table[];
  /** Table (or schema and `*`) and reason, ordered by name. */
  readonly notCarried: readonly { readonly name: string; readonly reason: string }[];
}

/** Every table of the database outside of Postgres's own schemas and of extensions, ordered by name. */
export async function readCatalog(executor: Executor): Promise<readonly Table[]> {
  const { rows } = await executor.query<{
    schema: string;
    name: string;
    partitioned: boolean;
    leaving: boolean;
    columns: readonly Column[];
    key: readonly string[];
  }>(sql`
    select n.nspname as schema, c.relname as name, c.relkind = 'p' as partitioned,
      exists (select from ops.partition_removals r where r.partition = n.nspname || '.' || c.relname) as leaving,
      (
        select coalesce(
          pg_catalog.json_agg(
            pg_catalog.json_build_object(
              'name', a.attname,
              'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
              'form', case
                when t.typcategory in ('A', 'C') or t.typname = 'json' or t.oid >= 16384 and t.typtype <> 'e' then 'text'
                else 'json'
              end,
              'order', case
                when t.typcategory in ('N', 'D', 'B', 'T') or t.typname = 'uuid' then 'value'
                when t.typcategory = 'S' then 'collated'
                else 'text'
              end,
              'identity', a.attidentity <> ''
            ) order by a.attnum
          ),
          '[]'
        )
        from pg_catalog.pg_attribute a
        join pg_catalog.pg_type t on t.oid = a.atttypid
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      ) as columns,
      array(
        select a.attname::pg_catalog.text
        from pg_catalog.pg_index i
        cross join unnest(i.indkey::pg_catalog.int2[]) with ordinality u(attnum, position)
        join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.attnum
        where i.indrelid = c.oid and i.indisprimary and u.position <= i.indnkeyatts
        order by u.position
      ) as key
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
      and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
      and not exists (
        select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e'
      )
    order by n.nspname collate "C", c.relname collate "C"`);
  return rows.map(({ schema, name, ...table }) => {
    const full = `${schema}.${name}`;
    const left = leftOutColumns.get(full) ?? [];
    const columns = table.columns.filter((column) => !left.includes(column.name));
    const tenantColumn = full === 'app_public.tenants' ? 'id' : 'tenant_id';
    return {
      ...table,
      name: full,
      relation: `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`,
      columns,
      tenantColumn: columns.some((column) => column.name === tenantColumn) ? tenantColumn : null,
    };
  });
}

/**
 * Decides about every table. A table with a tenant is carried unless a list says why not, so that a new one is not forgotten. Of one
 * tenant (`ofTenant`), tables without a tenant are left out.
 */
export function select(
  tables: readonly Table[],
  { audit, ofTenant }: { readonly audit: boolean; readonly ofTenant: boolean },
): Selection {
  const carried: Table[] = [];
  const reasons = new Map<string, string>();
  for (const table of tables) {
    const [schema = ''] = table.name.split('.');
    const ofSchema = leftOutSchemas.get(schema);
    const reason = reasonAgainst(table, audit, ofTenant);
    if (ofSchema !== undefined) reasons.set(`${schema}.*`, ofSchema);
    else if (reason === null) carried.push(ofTenant ? withoutOwnNumber(table) : table);
    else reasons.set(table.name, reason);
  }
  const notCarried = [...reasons].map(([name, reason]) => ({ name, reason }));
  return { carried, notCarried: notCarried.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

/** Null: the table is carried. */
function reasonAgainst(table: Table, audit: boolean, ofTenant: boolean): string | null {
  if (table.leaving) return 'a former partition that retention is removing';
  const reason = leftOut.get(table.name);
  if (reason !== undefined) return reason;
  if (auditTables.includes(table.name)) return audit ? null : auditLeftOut;
  if (ofTenant && table.tenantColumn === null) return 'it belongs to no tenant';
  return table.tenantColumn !== null || alsoCarried.has(table.name) ? null : undecided;
}

/**
 * A table whose rows are known by a number alone has other rows under these numbers elsewhere. So the rows of one tenant get new
 * ones where they are imported.
 */
function withoutOwnNumber(table: Table): Table {
  const [only] = table.key;
  const numbered = table.columns.find(({ name, identity }) => identity && name === only);
  return table.key.length === 1 && numbered
    ? { ...table, columns: table.columns.filter((column) => column !== numbered) }
    : table;
}

/** The columns by which the rows of a table stand in order: its key, or all of them where it has none. */
export function orderOf({ key, columns }: Table): readonly string[] {
  const names = columns.map(({ name }) => name);
  return key.length > 0 && key.every((name) => names.includes(name)) ? key : names;
}

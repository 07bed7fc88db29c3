import type { Executor } from '../db/database.ts';
import { quoteIdentifier, sql } from '../db/statement.ts';
import { readCatalog, select } from './catalog.ts';
import type { Table } from './catalog.ts';
import { auditTables } from './left-out.ts';
import { ExportRefused } from './manifest.ts';
import type { Manifest, TableFile } from './manifest.ts';

/** A table of the database, and the file with its rows. */
export interface Target {
  readonly table: Table;
  readonly file: TableFile;
}

/**
 * Compares an export with the schema of the database. Returns where its rows go, in the order of foreign keys. Rejects with
 * ExportRefused when the schema of the export is newer, or it has a table or a column that an export cannot have.
 */
export async function planLoad(executor: Executor, manifest: Manifest): Promise<readonly Target[]> {
  await refuseOtherSchema(executor, manifest);
  const catalog = await readCatalog(executor);
  const { carried } = select(catalog, { audit: true, ofTenant: manifest.tenant !== null });
  const known = new Map(carried.map((table) => [table.name, table]));
  const targets = manifest.tables.map((file) => {
    const table = known.get(file.table);
    if (!table) {
      throw new ExportRefused(
        `the export has the table ${file.table}, and ${
          catalog.some(({ name }) => name === file.table) ? 'no export carries it' : 'the database does not'
        }`,
      );
    }
    const columns = new Set(table.columns.map(({ name }) => name));
    const unknown = [...file.columns, ...file.order].find((name) => !columns.has(name));
    const twice = file.columns.find((name, i) => file.columns.indexOf(name) !== i);
    if (unknown !== undefined || twice !== undefined) {
      throw new ExportRefused(
        `the export has the column ${unknown ?? twice} of ${file.table}${unknown === undefined ? ' twice' : ', and the database does not'}`,
      );
    }
    return { table, file };
  });
  if (manifest.tenant !== null && targets.some(({ table }) => auditTables.includes(table.name))) {
    throw new ExportRefused(
      'the export is of one tenant and has the audit log, which is sealed for all of them',
    );
  }
  return inOrder(targets, ({ table }) => table, await readReferences(executor));
}

async function refuseOtherSchema(executor: Executor, { migrations }: Manifest): Promise<void> {
  const { rows } = await executor.query<{ filename: string; hash: string }>(
    sql`select filename, hash from ops.applied_migrations()`,
  );
  const hashes = new Map(rows.map(({ filename, hash }) => [filename, hash]));
  const unknown = migrations.filter(({ filename }) => !hashes.has(filename));
  if (unknown.length > 0) {
    throw new ExportRefused(
      `the export has a newer schema: the database lacks ${unknown.map(({ filename }) => filename).join(', ')}; import it with the release that wrote it, or a newer one`,
    );
  }
  const other = migrations.find(({ filename, hash }) => hashes.get(filename) !== hash);
  if (other) {
    throw new ExportRefused(
      `the export was made with another migration ${other.filename} than the database: no upgrade leads from its schema to this one`,
    );
  }
}

/** A foreign key between two tables. */
export interface Reference {
  readonly from: string;
  readonly to: string;
}

/** Which table refers to which. */
export async function readReferences(executor: Executor): Promise<readonly Reference[]> {
  const { rows } = await executor.query<Reference>(sql`
    select fn.nspname || '.' || f.relname as from, tn.nspname || '.' || t.relname as to
    from pg_catalog.pg_constraint k
    join pg_catalog.pg_class f on f.oid = k.conrelid
    join pg_catalog.pg_namespace fn on fn.oid = f.relnamespace
    join pg_catalog.pg_class t on t.oid = k.confrelid
    join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
    where k.contype = 'f' and k.conparentid = 0 and k.conrelid <> k.confrelid`);
  return rows;
}

/** Referenced tables before those that refer to them, and the audit log last: everything else that is done leaves rows in it. */
export function inOrder<T>(
  items: readonly T[],
  tableOf: (item: T) => Table,
  references: readonly Reference[],
): readonly T[] {
  const placed: T[] = [];
  const begun = new Set<T>();
  const place = (item: T): void => {
    if (begun.has(item)) return;
    begun.add(item);
    for (const { from, to } of references) {
      const referenced =
        from === tableOf(item).name ? items.find((each) => tableOf(each).name === to) : undefined;
      if (referenced !== undefined) place(referenced);
    }
    placed.push(item);
  };
  const isAudit = (item: T): boolean => auditTables.includes(tableOf(item).name);
  items.filter((item) => !isAudit(item)).forEach(place);
  items.filter(isAudit).forEach(place);
  return placed;
}

/** What keeps rows from being loaded as they are, and is put back at the end. */
export interface Opened {
  readonly relation: string;
  /** Whether policies bind the owner, too. */
  readonly forced: boolean;
  /** Triggers that would number rows, mark them, tell of them, or refuse them. */
  readonly triggers: readonly string[];
  /** Those among them that always fire. */
  readonly always: readonly string[];
}

/**
 * The triggers that fire for new rows, of each table. Those of the audit log stay, so that what is loaded is recorded row by row,
 * unless the log comes with the rows. `changes`: rows will be updated and deleted, too, so the triggers of these are among them, and those that always fire; the one
 * by which points are rolled up stays.
 */
export async function readGuards(
  executor: Executor,
  tables: readonly Table[],
  changes = false,
): Promise<readonly Opened[]> {
  const withLog = tables.some(({ name }) => name === 'audit.log');
  const opened: Opened[] = [];
  for (const table of tables) {
    const { rows } = await executor.query<Opened>(sql`
      select ${table.relation}::text as relation, c.relforcerowsecurity as forced, array(
        select t.tgname::text
        from pg_catalog.pg_trigger t
        where t.tgrelid = c.oid and not t.tgisinternal and t.tgparentid = 0
          and case
            when ${changes} then t.tgenabled in ('O', 'A') and t.tgfoid <> 'app_private.tg_metrics__mark_changes'::regproc
            else t.tgenabled = 'O' and t.tgtype & 4 = 4
          end
          and (${withLog} or t.tgname not like '\\_800\\_%')
        order by t.tgname
      ) as triggers, array(
        select t.tgname::text from pg_catalog.pg_trigger t where t.tgrelid = c.oid and t.tgenabled = 'A'
      ) as always
      from pg_catalog.pg_class c
      where c.oid = ${table.relation}::regclass`);
    opened.push(...rows);
  }
  return opened;
}

/** The statement that opens a table for its owner, or closes it again. Null: there is nothing to open. */
export function alterOf({ relation, forced, triggers, always }: Opened, open: boolean): string | null {
  const parts = [
    ...(forced ? [`${open ? 'no force' : 'force'} row level security`] : []),
    ...triggers.map((name) => {
      const how = open ? 'disable' : always.includes(name) ? 'enable always' : 'enable';
      return `${how} trigger ${quoteIdentifier(name)}`;
    }),
  ];
  return parts.length === 0 ? null : `alter table ${relation} ${parts.join(', ')}`;
}

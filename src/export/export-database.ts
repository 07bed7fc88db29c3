import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { BackupKeys } from '../backup/store/open-store.ts';
import type { Database, Transaction } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import type { OnProgress } from '../on-progress.ts';
import { OperationalError } from '../operational-error.ts';
import { version } from '../version.ts';
import { orderOf, readCatalog, select } from './catalog.ts';
import type { Selection, Table } from './catalog.ts';
import { asCsv } from './other-formats.ts';
import { lineColumnsOf, printSettings, readLines, whereOf } from './lines.ts';
import type { Extract } from './lines.ts';
import { fileOf, formatName, formatVersion, labelOf, manifestFile } from './manifest.ts';
import type { Content, Manifest, Storage, TableFile } from './manifest.ts';
import { writeFile } from './table-file.ts';

/** What to export, and where to. */
export interface ExportOptions {
  /** Its login sees every row of every tenant. */
  readonly database: Database;
  /** The folder to make. */
  readonly folder: string;
  /** Null: every tenant. */
  readonly tenant: string | null;
  /** Names of tables; null: all of them. */
  readonly tables: readonly string[] | null;
  /**
   * Conditions on the rows of a table (`t`), as SQL of ours, by its full name: an export of a part, which is loaded where the rest is missing for a
   * while. Left out: every row.
   */
  readonly conditions?: ReadonlyMap<string, string>;
  readonly audit: boolean;
  readonly content: Content;
  readonly storage: Storage;
  readonly keys: BackupKeys;
  readonly now: () => Date;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
}

/** An export cannot be made as it was asked for. Nothing was written. */
export class CannotExport extends OperationalError {
  override name = 'CannotExport';
}

/**
 * Writes the tables as they are in one snapshot into a new folder, which has its name only when it is complete. Rejects with
 * CannotExport before anything is written.
 */
export async function exportDatabase(options: ExportOptions): Promise<Manifest> {
  const { database, folder, keys } = options;
  await refuseExisting(folder);
  const unfinished = `${folder}.unfinished-${randomBytes(3).toString('hex')}`;
  const settings = { ...printSettings, row_security: 'off', transaction_read_only: 'on' };
  try {
    const manifest = await database.transaction(
      settings,
      (transaction) => writeTables(options, transaction, unfinished),
      'repeatable read',
    );
    const { name, bytes } = await manifestFile(manifest, keys);
    const file = await open(path.join(unfinished, name), 'wx', 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await refuseExisting(folder);
    await rename(unfinished, folder);
    return manifest;
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    // A stream that was ended says only that.
    options.signal?.throwIfAborted();
    throw error;
  }
}

/** A name for an export of this moment. */
export function idOf(at: Date): string {
  return `${at.toISOString().replaceAll(/[-:]|\.\d+/g, '')}-export-${randomBytes(3).toString('hex')}`;
}

/** Refuses a name that is taken, by a link as well. */
export async function refuseExisting(folder: string): Promise<void> {
  const found = await lstat(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (found) throw new CannotExport(`${folder} exists already; expected a new name`);
}

async function writeTables(
  options: ExportOptions,
  transaction: Transaction,
  folder: string,
): Promise<Manifest> {
  const { database, tenant, content, storage, keys, now, signal, conditions } = options;
  const { rows: about } = await transaction.query<{ postgres: string }>(
    sql`select current_setting('server_version') as postgres`,
  );
  await refuseUnknownTenant(transaction, tenant);
  const catalog = await readCatalog(transaction);
  const { carried, notCarried } = chosen(catalog, options);
  const { rows: migrations } = await transaction.query<{ filename: string; hash: string }>(
    sql`select filename, hash from graphile_migrate.migrations order by filename`,
  );
  // Rows that a part leaves out keep their numbers: those that are made meanwhile get others.
  const numbered =
    conditions === undefined ? carried : select(catalog, { audit: false, ofTenant: false }).carried;
  const sequences = await readSequences(transaction, numbered);
  const at = now();
  const id = idOf(at);
  await mkdir(folder, { mode: 0o700 });
  const tables: TableFile[] = [];
  for (const [i, table] of carried.entries()) {
    const order = orderOf(table);
    const columns = table.columns.map(({ name }) => name);
    const file = fileOf(table.name, storage, content);
    const progress = (rows: number): void =>
      options.onProgress(i / carried.length, `exporting ${table.name}, ${rows} rows so far`);
    const condition = conditions?.get(table.name);
    const where = condition === undefined ? whereOf(table, tenant) : `where ${condition}`;
    const lines = counted(transaction, { table, columns, order, where }, progress);
    const written = await writeFile(
      path.join(folder, file),
      content === 'csv' ? asCsv(lines.bytes, lineColumnsOf(table, columns)) : lines.bytes,
      { storage, label: labelOf(id, file), key: keys.encryptionKey },
      signal,
    );
    tables.push({
      table: table.name,
      rows: lines.rows,
      ...written,
      columns,
      order,
      ...(condition !== undefined && { condition }),
      ...(table.partitioned && { partitions: await readPartitions(transaction, table, tenant) }),
    });
  }
  return {
    format: formatName,
    version: formatVersion,
    id,
    at: at.toISOString(),
    release: version,
    database: { kind: database.kind, postgres: about[0]?.postgres ?? '' },
    migrations,
    tenant,
    storage,
    ...(content === 'csv' && { content }),
    ...(conditions !== undefined && { part: true }),
    tables,
    sequences,
    notCarried,
  };
}

/** Refuses a tenant that the database does not have. */
export async function refuseUnknownTenant(transaction: Transaction, tenant: string | null): Promise<void> {
  if (tenant === null) return;
  const { rows } = await transaction.query(sql`select from app_public.tenants where id = ${tenant}`);
  if (rows.length === 0) {
    throw new CannotExport(
      `tenant ${JSON.stringify(tenant)} does not exist; to list those that do: lightning tenant list`,
    );
  }
}

/** The tables that were asked for. A name without a schema is one of app_public. */
export function chosen(
  catalog: readonly Table[],
  { tables, audit, tenant }: Pick<ExportOptions, 'tables' | 'audit' | 'tenant'>,
): Selection {
  const selection = select(catalog, { audit, ofTenant: tenant !== null });
  if (tables === null) return selection;
  const names = new Set(tables.map((name) => (name.includes('.') ? name : `app_public.${name}`)));
  const carried = selection.carried.filter(({ name }) => names.delete(name));
  const [unknown] = names;
  if (unknown !== undefined) {
    const left = selection.notCarried.find(
      ({ name }) => name === unknown || name === `${unknown.split('.')[0]}.*`,
    );
    throw new CannotExport(
      left
        ? `${unknown} is not exported: ${left.reason}`
        : `the database has no table ${unknown}; those that are exported: ${selection.carried.map(({ name }) => name).join(', ')}`,
    );
  }
  const others = selection.carried
    .filter((table) => !carried.includes(table))
    .map(({ name }) => ({ name, reason: 'it was not asked for' }));
  return { carried, notCarried: [...selection.notCarried, ...others] };
}

/** The lines of a table, and how many there were so far. */
export function counted(
  transaction: Transaction,
  extract: Extract,
  onRows: (rows: number) => void,
): { readonly rows: number; readonly bytes: AsyncGenerator<Buffer> } {
  let total = 0;
  return {
    get rows() {
      return total;
    },
    bytes: (async function* () {
      for await (const { rows, bytes } of readLines(transaction, extract)) {
        total += rows;
        onRows(total);
        yield bytes;
      }
    })(),
  };
}

/** The numbers that the sequences of these tables gave last, and those of sequences that no table owns. */
export async function readSequences(
  transaction: Transaction,
  tables: readonly Table[],
): Promise<Readonly<Record<string, string>>> {
  const { rows } = await transaction.query<{ name: string; last: string }>(sql`
    select s.schemaname || '.' || s.sequencename as name, s.last_value::text as last
    from pg_sequences s
    join pg_class c on c.relname = s.sequencename and c.relnamespace = s.schemaname::regnamespace
    left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid
      and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
    left join pg_class o on o.oid = d.refobjid
    where s.last_value is not null and (
      s.schemaname in ('app_private', 'app_public', 'legacy') and o.oid is null
      or o.relnamespace::regnamespace || '.' || o.relname = any (${tables.map(({ name }) => name)})
    )
    order by 1`);
  return Object.fromEntries(rows.map(({ name, last }) => [name, last]));
}

/** The times of the partitions that have rows. */
export async function readPartitions(
  transaction: Transaction,
  table: Table,
  tenant: string | null,
): Promise<readonly { from: string; to: string }[]> {
  const { rows } = await transaction.query<{ from: string; to: string }>({
    text: `
      select bounds[1] as from, bounds[2] as to
      from (select distinct t.tableoid as oid from ${table.relation} t ${whereOf(table, tenant)}) p
      join pg_class c on c.oid = p.oid
      cross join regexp_match(
        pg_get_expr(c.relpartbound, c.oid), $bounds$^FOR VALUES FROM \\('([^']+)'\\) TO \\('([^']+)'\\)$$bounds$
      ) b(bounds)
      order by 1`,
  });
  return rows;
}

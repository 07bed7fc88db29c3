import { randomBytes } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import type { Transaction } from '../db/database.ts';
import { quoteIdentifier, quoteLiteral, sql } from '../db/statement.ts';
import { version } from '../version.ts';
import { orderOf, readCatalog } from './catalog.ts';
import type { Table } from './catalog.ts';
import {
  chosen,
  counted,
  idOf,
  readPartitions,
  readSequences,
  refuseExisting,
  refuseUnknownTenant,
} from './export-database.ts';
import type { ExportOptions } from './export-database.ts';
import { replacedTables } from './left-out.ts';
import { lineColumnsOf, printSettings, whereOf } from './lines.ts';
import { alterOf, inOrder, readGuards, readReferences } from './load-plan.ts';
import type { Opened } from './load-plan.ts';
import { asCopy } from './other-formats.ts';
import { writeFile } from './table-file.ts';

/** What to export as SQL: `folder` is the file. */
export type SqlOptions = Omit<ExportOptions, 'content' | 'keys'> & {
  /** The role that owns the tables, where psql is not told another one. */
  readonly owner: string;
};

/**
 * Writes the tables as they are in one snapshot into a new file that psql loads, in the same steps as `lightning import`. Returns the
 * number of tables and rows. Rejects with CannotExport before anything is written.
 */
export async function exportSql(options: SqlOptions): Promise<{ tables: number; rows: number }> {
  const { database, folder: file, storage, signal } = options;
  await refuseExisting(file);
  const unfinished = `${file}.unfinished-${randomBytes(3).toString('hex')}`;
  const settings = { ...printSettings, row_security: 'off', transaction_read_only: 'on' };
  const total = { tables: 0, rows: 0 };
  try {
    await database.transaction(
      settings,
      async (transaction) => {
        await refuseUnknownTenant(transaction, options.tenant);
        const { carried } = chosen(await readCatalog(transaction), options);
        const tables = inOrder(carried, (table) => table, await readReferences(transaction));
        total.tables = tables.length;
        const content = script(options, transaction, tables, total);
        await writeFile(unfinished, content, { storage, label: '', key: null }, signal);
      },
      'repeatable read',
    );
    await refuseExisting(file);
    await rename(unfinished, file);
    return total;
  } catch (error) {
    await rm(unfinished, { force: true });
    signal?.throwIfAborted();
    throw error;
  }
}

async function* script(
  options: SqlOptions,
  transaction: Transaction,
  tables: readonly Table[],
  total: { rows: number },
): AsyncGenerator<Buffer> {
  const { tenant, onProgress } = options;
  const guards = await readGuards(transaction, tables);
  const id = idOf(options.now());
  yield Buffer.from(await beginning(options, transaction, tables, guards, id));
  for (const [i, table] of tables.entries()) {
    const columns = table.columns.map(({ name }) => name);
    const names = columns.map(quoteIdentifier).join(', ');
    const lines = counted(
      transaction,
      { table, columns, order: orderOf(table), where: whereOf(table, tenant) },
      (rows) => onProgress(i / tables.length, `exporting ${table.name}, ${rows} rows so far`),
    );
    yield Buffer.from(`\ncopy ${table.relation} (${names}) from stdin;\n`);
    yield* asCopy(lines.bytes, lineColumnsOf(table, columns));
    yield Buffer.from('\\.\n');
    total.rows += lines.rows;
  }
  yield Buffer.from(await ending(transaction, tables, guards, { id, tenant, rows: total.rows }));
}

/** Everything before the rows: checks, what keeps rows from being loaded as they are, and partitions. */
async function beginning(
  { tenant, owner, now }: SqlOptions,
  transaction: Transaction,
  tables: readonly Table[],
  guards: readonly Opened[],
  id: string,
): Promise<string> {
  const { rows: migrations } = await transaction.query<{ filename: string; hash: string }>(
    sql`select filename, hash from graphile_migrate.migrations order by filename`,
  );
  const schema = literal(migrations.map(({ filename, hash }) => `${filename} ${hash}`).join('\n'));
  const hasTenants = tables.some(({ name }) => name === 'app_public.tenants');
  const replaced = tables.filter(({ name }) => tenant === null && replacedTables.has(name));
  const checks = tables
    .filter((table) => !replaced.includes(table))
    .map((table) => {
      const isFirst = table.name === 'app_public.tenants' && tenant === null;
      const where = isFirst ? `where t.id <> 'default'` : whereOf(table, tenant);
      return refusal(`exists (select from ${table.relation} t ${where})`, `${table.name} has rows already`);
    });
  const partitions: string[] = [];
  for (const table of tables.filter(({ partitioned }) => partitioned)) {
    for (const range of await readPartitions(transaction, table, tenant))
      partitions.push(partitionOf(table, range));
  }
  return [
    `-- Agent Lightning DB ${version}: export ${id} of ${now().toISOString()}, ${tenant === null ? 'every tenant' : `tenant ${tenant}`}.`,
    '-- For psql, as the login of migrations or a superuser, on a server that `lightning migrate` of this release made (docs/export.md).',
    '\\set ON_ERROR_STOP on',
    '\\if :{?owner}',
    '\\else',
    `\\set owner ${owner}`,
    '\\endif',
    'begin;',
    `set local client_encoding to 'UTF8';`,
    'set local role :"owner";',
    `set local lock_timeout to '10s';`,
    ...Object.entries(printSettings)
      .filter(([name]) => !name.endsWith('_timeout'))
      .map(([name, value]) => `set local ${name} to ${literal(value)};`),
    refusal(
      `(select pg_catalog.string_agg(m.filename || ' ' || m.hash, E'\\n' order by m.filename) from ops.applied_migrations() m) is distinct from ${schema}`,
      'the database has another schema than the export: load it into one that the same release has migrated',
    ),
    ...guards.flatMap((guard) => alterOf(guard, true) ?? []).map((text) => `${text};`),
    ...checks,
    ...(hasTenants && tenant === null ? [`delete from app_public.tenants where id = 'default';`] : []),
    ...replaced.map(({ relation }) => `delete from ${relation};`),
    ...partitions,
    '',
  ].join('\n');
}

/** Everything behind the rows. */
async function ending(
  transaction: Transaction,
  tables: readonly Table[],
  guards: readonly Opened[],
  { id, tenant, rows }: { readonly id: string; readonly tenant: string | null; readonly rows: number },
): Promise<string> {
  const sequences = await readSequences(transaction, tables);
  const details = literal(JSON.stringify({ rows, by: 'psql' }));
  return [
    '',
    ...Object.entries(sequences).map(([name, last]) => {
      const sequence = `${literal(name.split('.').map(quoteIdentifier).join('.'))}::regclass`;
      return perform(
        `setval(${sequence}, greatest(coalesce(pg_sequence_last_value(${sequence}), 1), ${last}))`,
      );
    }),
    'set constraints all immediate;',
    ...guards.flatMap((guard) => alterOf(guard, false) ?? []).map((text) => `${text};`),
    perform(
      `audit.record_event('import', ${literal(id)}, ${tenant === null ? 'null' : literal(tenant)}, ${details}::jsonb)`,
    ),
    'commit;',
    '',
  ].join('\n');
}

function refusal(condition: string, message: string): string {
  return `do $check$ begin if ${condition} then raise exception ${literal(message).replaceAll('%', '%%')}; end if; end $check$;`;
}

function partitionOf({ name, relation }: Table, { from, to }: { from: string; to: string }): string {
  const [, table = ''] = name.split('.');
  const days = (Date.parse(to) - Date.parse(from)) / 86_400_000;
  const label = new Date(from).toISOString().slice(0, days > 2 ? 7 : 10);
  const parent = `${literal(relation)}::regclass`;
  return perform(
    `app_private.create_partition(${parent}, ${literal(`${table}_p${label.replaceAll('-', '')}`)}, ${literal(from)}, ${literal(to)}) ` +
      `where not app_private.partition_ranges(${parent}) @> tstzrange(${literal(from)}, ${literal(to)})`,
  );
}

/** Calls a function; psql prints nothing. */
function perform(call: string): string {
  return `do $call$ begin perform ${call}; end $call$;`;
}

function literal(text: string): string {
  return quoteLiteral(text).trim();
}

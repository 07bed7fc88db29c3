import type { Executor } from '../db/database.ts';
import type { OnProgress } from '../on-progress.ts';
import { readCatalog, select } from './catalog.ts';
import type { Table } from './catalog.ts';
import { cellsOf, LineError, lineOf, linesOf } from './json-line.ts';
import type { Cells } from './json-line.ts';
import { orderedDigest, unorderedDigest } from './line-digest.ts';
import { knownSequences } from './load-places.ts';
import { ExportRefused } from './manifest.ts';
import type { TableFile } from './manifest.ts';
import type { OpenedExport } from './open-export.ts';

const tenantsTable = 'app_public.tenants';
/** Ids in a message. */
const mostNamed = 20;

/** Rejects with ExportRefused unless the export has rows of the tenant, and names the tenants that it has. */
export async function refuseOtherTenant({ manifest, read }: OpenedExport, tenant: string): Promise<void> {
  const file = manifest.tables.find(({ table }) => table === tenantsTable);
  const found: string[] = [];
  if (file !== undefined) {
    const at = file.columns.indexOf('id');
    for await (const lines of linesOf(read(file)))
      for (const line of lines) found.push(tenantIn(rowOf(file, line).cells, at) ?? '');
  } else if (manifest.tenant !== null) found.push(manifest.tenant);
  if (found.includes(tenant)) return;
  const named = found.slice(0, mostNamed).join(', ');
  const others = found.length > mostNamed ? `, and ${found.length - mostNamed} more` : '';
  throw new ExportRefused(
    found.length === 0
      ? `the export does not say which tenants it has: ${tenantsTable} is not in it`
      : `the export has no tenant ${tenant}; it has ${named}${others}`,
  );
}

/**
 * The part of an export of everything that an export of one tenant would be, for the database that the executor sees: the tenant's rows, of
 * tables with a tenant, without numbers that other rows have elsewhere. Reads every file once more.
 */
export async function narrowExport(
  executor: Executor,
  opened: OpenedExport,
  tenant: string,
  onProgress: OnProgress,
): Promise<OpenedExport> {
  const { manifest } = opened;
  if (manifest.tenant !== null) return opened;
  const catalog = await readCatalog(executor);
  const { carried } = select(catalog, { audit: false, ofTenant: true });
  const known = new Map(carried.map((table) => [table.name, table]));
  // A table that the database lacks stays, so that it is refused by name like that of any export.
  const files = manifest.tables.filter(
    ({ table }) => known.has(table) || !catalog.some(({ name }) => name === table),
  );
  const whole = new Map<string, TableFile>();
  const unordered = new Set<string>();
  const tables: TableFile[] = [];
  for (const [i, file] of files.entries()) {
    onProgress(i / files.length, `looking for ${tenant} in ${file.table}`);
    const table = known.get(file.table);
    if (table === undefined) {
      tables.push(file);
      continue;
    }
    const dropped = droppedOf(catalog, table, file);
    const columns = file.columns.filter((name) => !dropped.includes(name));
    // Without the number, the rows have no order that the database would give them.
    if (dropped.length > 0) unordered.add(file.table);
    const digest = dropped.length > 0 ? unorderedDigest() : orderedDigest();
    let rows = 0;
    let bytes = 0;
    for await (const piece of linesOfTenant(opened, file, { table, tenant, columns })) {
      digest.add(piece.bytes);
      rows += piece.rows;
      bytes += piece.bytes.length;
    }
    whole.set(file.table, file);
    tables.push({
      ...file,
      rows,
      bytes,
      sha256: digest.digest(),
      columns,
      order: file.order.every((name) => columns.includes(name)) ? file.order : columns,
    });
  }
  const sequences = await knownSequences(executor, carried);
  return {
    manifest: {
      ...manifest,
      tenant,
      tables,
      sequences: Object.fromEntries(
        Object.entries(manifest.sequences).filter(([name]) => sequences.has(name)),
      ),
    },
    unordered,
    async *read(narrow) {
      const file = whole.get(narrow.table)!;
      const table = known.get(narrow.table)!;
      for await (const { bytes } of linesOfTenant(opened, file, { table, tenant, columns: narrow.columns }))
        yield bytes;
    },
  };
}

/** Columns of a file that one tenant's rows go without: the number by which the rows of all tenants are known. */
function droppedOf(catalog: readonly Table[], table: Table, { columns }: TableFile): readonly string[] {
  const all = new Set(catalog.find(({ name }) => name === table.name)!.columns.map(({ name }) => name));
  const kept = new Set(table.columns.map(({ name }) => name));
  return columns.filter((name) => all.has(name) && !kept.has(name));
}

interface Wanted {
  readonly table: Table;
  readonly tenant: string;
  readonly columns: readonly string[];
}

async function* linesOfTenant(
  { read }: OpenedExport,
  file: TableFile,
  { table, tenant, columns }: Wanted,
): AsyncGenerator<{ readonly rows: number; readonly bytes: Buffer }> {
  const at = file.columns.indexOf(table.tenantColumn ?? '');
  if (at < 0)
    throw new ExportRefused(
      `${file.table} of the export has no column ${table.tenantColumn}, which names the tenant`,
    );
  const places = columns.map((name) => file.columns.indexOf(name));
  for await (const lines of linesOf(read(file))) {
    const found: string[] = [];
    for (const line of lines) {
      const { cells, nulls } = rowOf(file, line);
      if (tenantIn(cells, at) !== tenant) continue;
      found.push(
        columns.length === cells.length
          ? line
          : lineOf(columns, { cells: places.map((place) => cells[place]!), nulls }),
      );
    }
    if (found.length > 0) yield { rows: found.length, bytes: Buffer.from(`${found.join('\n')}\n`, 'utf8') };
  }
}

function rowOf({ table, columns }: TableFile, line: string): Cells {
  try {
    return cellsOf(line, columns);
  } catch (error) {
    if (!(error instanceof LineError)) throw error;
    throw new ExportRefused(`a line of ${table} is not a row: ${error.message}`, { cause: error });
  }
}

/** The id of a tenant, which needs no escapes; what has some is no tenant's. */
function tenantIn(cells: readonly string[], at: number): string | null {
  const json = cells[at] ?? 'null';
  return json.startsWith('"') ? json.slice(1, -1) : null;
}

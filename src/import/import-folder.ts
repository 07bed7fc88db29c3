import { createHash } from 'node:crypto';
import { claimsOf } from '../auth/claims.ts';
import type { Installation } from '../db/installation.ts';
import { asRequester } from '../auth/requester.ts';
import type { ScopedDatabase } from '../db/scoped-database.ts';
import { sql } from '../db/statement.ts';
import { countLeftOut } from './left-out.ts';
import type { LeftOut } from './left-out.ts';
import { loadFile } from './load-file.ts';
import { legacyZone } from './local-time.ts';
import type { LoadedFile } from './load-file.ts';
import { refuseItem } from './quarantine.ts';
import type { Refusal } from './quarantine.ts';
import type { FileContent, ImportRow, Store } from './store.ts';
import { ImportError, readStores } from './read-stores.ts';
import type { Importer } from './staging.ts';
import { verify } from './verify.ts';
import type { Verdict } from './verify.ts';

/** The folder to import, and the tenant to import it for. */
export interface ImportOptions {
  readonly installation: Installation;
  readonly tenantId: string;
  readonly folder: string;
  /** True: an item whose agent has no definition gets a new agent. False: such an item is refused. */
  readonly createMissingAgents: boolean;
  /** The offset from UTC of the clock that wrote JSON files. Left out: that of the legacy host. */
  readonly clock?: string | undefined;
  /** Called once everything is read, before anything is written. */
  readonly beforeWriting?: (() => Promise<void>) | undefined;
  /** Called after each file with the refused items, and awaited. */
  readonly onRefused: (refusals: readonly Refusal[]) => Promise<void>;
  /** Called with the numbers of finished items and of all items. */
  readonly onProgress: (progress: ImportProgress) => void;
}

export interface ImportProgress {
  readonly done: number;
  readonly total: number;
  /** The file being loaded. */
  readonly file: string;
}

/** The result for one store's items. */
export interface StoreReport {
  readonly store: string;
  /** The table that its rows are in. */
  readonly target: string;
  readonly files: number;
  /** Number of items in the files. A file that cannot be read at all counts as one. */
  readonly read: number;
  /** Number of new rows that the database counts after loading. */
  readonly stored: number;
  /** Number of items whose row existed already, by the same count. */
  readonly existing: number;
  readonly quarantined: number;
  /** How many items were quarantined for each reason. */
  readonly reasons: Readonly<Record<string, number>>;
  /**
   * Hashes over the hashed columns of all rows, as the files have them and as the database computes them. Rows that existed and differ are
   * left out.
   */
  readonly sha256: { readonly read: string; readonly database: string };
  /** Existing rows that differ from the file, with the differing columns. They were left alone. */
  readonly differing: readonly { readonly id: string; readonly columns: readonly string[] }[];
  /** Ids of rows whose hash in the database differs from the file's. */
  readonly mismatches: readonly string[];
  readonly createdAgents: readonly string[];
  /** Sentences about what was read. */
  readonly notes: readonly string[];
}

export interface ImportReport {
  readonly stores: readonly StoreReport[];
  /** What was counted and not stored, because nothing here takes it. */
  readonly leftOut: readonly LeftOut[];
  /** Entries of the folder that do not belong to a store, or are not of their store's kind. They were not read. */
  readonly ignored: readonly string[];
}

/**
 * Imports every store in a folder of the legacy system, with one transaction per file. Rows that exist already
 * stay as they are, so an import can be run again, even after it broke off. A store's files are held in memory
 * together. Throws ImportError before anything is changed.
 */
export async function importFolder(options: ImportOptions): Promise<ImportReport> {
  const { installation, tenantId, folder } = options;
  const { contents, ignored } = await readStores(folder, options.clock ?? legacyZone);
  const importer: Importer = { installation, claims: claimsOf('service', tenantId, 'import') };
  const scoped = asRequester(installation, importer.claims);
  await checkTenant(importer, tenantId);
  await options.beforeWriting?.();

  const total = contents.reduce(
    (sum, { files }) => sum + files.reduce((of, file) => of + itemsOf(file), 0),
    0,
  );

  let done = 0;
  const reports: StoreReport[] = [];
  for (const { store, files } of contents) {
    const hashes = { read: createHash('sha256'), database: createHash('sha256') };
    const loaded: (LoadedFile & { counted: Verdict })[] = [];
    for (const file of files) {
      const advance = (count: number): void => {
        done += count;
        options.onProgress({ done, total, file: file.path });
      };
      advance(file.refusals.length);
      const result = await load(options, importer, scoped, store, file, advance);
      const refusals = [...file.refusals, ...result.refusals].sort((a, b) => (a.index ?? 0) - (b.index ?? 0));
      await options.onRefused(refusals);
      const counted = await verify(scoped, store.target, result.stored, hashes);
      loaded.push({
        ...result,
        refusals,
        counted,
      });
    }
    reports.push({
      store: store.name,
      target: store.target.table,
      files: files.length,
      read: files.reduce((sum, file) => sum + itemsOf(file), 0),
      stored: loaded.reduce((sum, { counted }) => sum + counted.inserted, 0),
      existing: loaded.reduce((sum, { counted }) => sum + counted.existing, 0),
      quarantined: loaded.reduce((sum, { refusals }) => sum + refusals.length, 0),
      differing: loaded.flatMap(({ stored }) =>
        stored
          .filter(({ differs }) => differs.length > 0)
          .map(({ id, differs }) => ({ id, columns: differs })),
      ),
      mismatches: loaded.flatMap(({ counted }) => counted.mismatches),
      reasons: countReasons(loaded.flatMap(({ refusals }) => refusals)),
      sha256: { read: hashes.read.digest('hex'), database: hashes.database.digest('hex') },
      notes: files.flatMap(({ notes }) => notes ?? []),
      createdAgents: loaded.flatMap(({ agentsCreated }) => agentsCreated),
    });
  }
  return { stores: reports, leftOut: await countLeftOut(folder), ignored };
}

function countReasons(refusals: readonly Refusal[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { reason } of refusals) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return Object.fromEntries(counts);
}

function itemsOf({ rows, refusals }: FileContent): number {
  return rows.length + refusals.length;
}

async function load(
  { createMissingAgents, tenantId }: ImportOptions,
  importer: Importer,
  scoped: ScopedDatabase,
  store: Store,
  file: FileContent,
  onRows: (count: number) => void,
): Promise<LoadedFile> {
  const owners = new Set(file.rows.flatMap(({ owner }) => (owner === null ? [] : [owner])));
  const undefinedAgents = new Set(await withoutDefinition(scoped, [...owners]));
  const isRefused = ({ owner }: ImportRow): boolean =>
    !createMissingAgents && owner !== null && undefinedAgents.has(owner);
  const refusals = file.rows.filter(isRefused).map((row) => {
    const reason = `its agent ${JSON.stringify(row.owner)} has no definition, neither in the folder nor in the database`;
    return refuseItem(file.path, row, reason);
  });
  onRows(refusals.length);
  const rows = file.rows.filter((row) => !isRefused(row));
  if (rows.length === 0) return { stored: [], refusals, agentsCreated: [] };
  await store.prepare?.(importer.installation, tenantId, rows);
  const loaded = await loadFile(
    importer,
    store.target,
    { path: file.path, rows },
    { createAgents: createMissingAgents ? [...undefinedAgents] : [], onRows },
  );
  return { ...loaded, refusals: [...refusals, ...loaded.refusals] };
}

async function withoutDefinition(scoped: ScopedDatabase, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const { rows } = await scoped.query<{ id: string }>(
    sql`select i.id from unnest(${ids}::text[]) i(id) where not exists (select from app_public.agents a where a.id = i.id)`,
  );
  return rows.map(({ id }) => id);
}

/** Rejects with ImportError when the tenant does not exist. */
export async function checkTenant({ installation, claims }: Importer, tenantId: string): Promise<void> {
  const { rowCount } = await asRequester(installation, claims).query(
    sql`select from app_public.tenants where id = ${tenantId}`,
  );
  if (rowCount !== 1) {
    throw new ImportError(
      `tenant ${JSON.stringify(tenantId)} does not exist; to list the tenants: lightning tenant list`,
    );
  }
}

import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { claimsOf } from '../auth/claims.ts';
import type { Installation } from '../db/installation.ts';
import { asRequester } from '../auth/requester.ts';
import type { ScopedDatabase } from '../db/scoped-database.ts';
import { sql } from '../db/statement.ts';
import { OperationalError } from '../operational-error.ts';
import { loadFile } from './load-file.ts';
import type { Importer, LoadedFile } from './load-file.ts';
import { refuseItem } from './quarantine.ts';
import type { Refusal } from './quarantine.ts';
import type { FileContent, FoundFiles, SourceFile, Store } from './store.ts';
import { stores } from './stores.ts';
import { verify } from './verify.ts';

/** The folder to import, and the tenant to import it for. */
export interface ImportOptions {
  readonly installation: Installation;
  readonly tenantId: string;
  readonly folder: string;
  /** True: knowledge whose agent has no definition gets a new agent. False: such knowledge is refused. */
  readonly createMissingAgents: boolean;
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
  readonly files: number;
  /** Number of items in the files. A file that cannot be read at all counts as one. */
  readonly read: number;
  /** Number of rows that the database counts after loading: new ones, and ones that existed already. */
  readonly stored: number;
  readonly quarantined: number;
  readonly inserted: number;
  /** Existing rows that differ from the file, with the differing columns. They were left alone. */
  readonly differing: readonly { readonly id: string; readonly columns: readonly string[] }[];
  /** Ids of rows whose hash in the database differs from the file's. */
  readonly mismatches: readonly string[];
  readonly createdAgents: readonly string[];
}

export interface ImportReport {
  readonly stores: readonly StoreReport[];
  /** Entries of the folder that do not belong to a store, or are not of their store's kind. They were not read. */
  readonly ignored: readonly string[];
}

/** The folder cannot be imported, or the tenant does not exist. Nothing was changed. */
export class ImportError extends OperationalError {
  override name = 'ImportError';
}

/**
 * Imports every store in a folder of the legacy system, with one transaction per file. Rows that exist already
 * stay as they are, so an import can be run again, even after it broke off. A store's files are held in memory
 * together. Throws ImportError before anything is changed.
 */
export async function importFolder(options: ImportOptions): Promise<ImportReport> {
  const { installation, tenantId, folder } = options;
  const { found, ignored } = await survey(folder);
  const importer: Importer = { installation, claims: claimsOf('service', tenantId, 'import') };
  const scoped = asRequester(installation, importer.claims);
  await checkTenant(scoped, tenantId);

  const contents: { store: Store; files: readonly FileContent[] }[] = [];
  for (const { store, files } of found) contents.push({ store, files: await readAll(store, folder, files) });
  const total = contents.reduce(
    (sum, { files }) => sum + files.reduce((of, file) => of + itemsOf(file), 0),
    0,
  );

  let done = 0;
  const reports: StoreReport[] = [];
  for (const { store, files } of contents) {
    const loaded: (LoadedFile & { owner: string | null; mismatches: readonly string[]; counted: number })[] =
      [];
    for (const file of files) {
      const advance = (count: number): void => {
        done += count;
        options.onProgress({ done, total, file: file.path });
      };
      advance(file.refusals.length);
      const result = await load(options, importer, scoped, store, file, advance);
      const refusals = [...file.refusals, ...result.refusals].sort((a, b) => (a.index ?? 0) - (b.index ?? 0));
      await options.onRefused(refusals);
      const verdict = await verify(scoped, store.target, result.stored);
      loaded.push({
        ...result,
        refusals,
        owner: file.owner,
        mismatches: verdict.mismatches,
        counted: verdict.stored,
      });
    }
    reports.push({
      store: store.name,
      files: files.length,
      read: files.reduce((sum, file) => sum + itemsOf(file), 0),
      stored: loaded.reduce((sum, { counted }) => sum + counted, 0),
      quarantined: loaded.reduce((sum, { refusals }) => sum + refusals.length, 0),
      inserted: loaded.reduce((sum, { stored }) => sum + stored.filter(({ inserted }) => inserted).length, 0),
      differing: loaded.flatMap(({ stored }) =>
        stored
          .filter(({ differs }) => differs.length > 0)
          .map(({ id, differs }) => ({ id, columns: differs })),
      ),
      mismatches: loaded.flatMap(({ mismatches }) => mismatches),
      createdAgents: loaded.flatMap(({ agentCreated, owner }) =>
        agentCreated && owner !== null ? [owner] : [],
      ),
    });
  }
  return { stores: reports, ignored };
}

function itemsOf({ rows, refusals }: FileContent): number {
  return rows.length + refusals.length;
}

async function load(
  { createMissingAgents }: ImportOptions,
  importer: Importer,
  scoped: ScopedDatabase,
  store: Store,
  file: FileContent,
  onRows: (count: number) => void,
): Promise<LoadedFile> {
  const refuseAll = (reason: string): LoadedFile => {
    onRows(file.rows.length);
    return {
      stored: [],
      refusals: file.rows.map((row) => refuseItem(file.path, row, reason)),
      agentCreated: false,
    };
  };
  if (file.rows.length === 0) return refuseAll('');
  const defined = file.owner === null || (await agentExists(scoped, file.owner));
  if (!defined && !createMissingAgents) {
    return refuseAll(
      `its agent ${JSON.stringify(file.owner)} has no definition, neither in the folder nor in the database`,
    );
  }
  return loadFile(importer, store.target, file, { createOwner: !defined, onRows });
}

async function agentExists(scoped: ScopedDatabase, id: string): Promise<boolean> {
  return (await scoped.query(sql`select from app_public.agents where id = ${id}`)).rowCount === 1;
}

/** The stores in a folder, and its other entries. */
async function survey(
  folder: string,
): Promise<{ found: { store: Store; files: readonly string[] }[]; ignored: string[] }> {
  const wanted = stores.map(({ looksFor }) => looksFor).join(' and ');
  const shown = path.resolve(folder);
  const entry = await stat(folder).catch(() => null);
  if (!entry) throw new ImportError(`folder ${shown} does not exist; expected a folder with ${wanted}`);
  if (!entry.isDirectory())
    throw new ImportError(`${shown} is not a folder; expected a folder with ${wanted}`);

  const found: { store: Store; files: readonly string[] }[] = [];
  const ignored: string[] = [];
  for (const store of stores) {
    const there: FoundFiles | null = await store.find(folder);
    if (!there) continue;
    found.push({ store, files: there.files });
    ignored.push(...there.strangers);
  }
  const entries = await readdir(folder);
  if (found.every(({ files }) => files.length === 0)) {
    const has = entries.length === 0 ? 'it is empty' : `it has ${entries.toSorted().join(', ')}`;
    throw new ImportError(`nothing to import in ${shown}: looked for ${wanted}; ${has}`);
  }
  const known = new Set(stores.map((store) => store.entry));
  return { found, ignored: [...entries.filter((name) => !known.has(name)), ...ignored].toSorted() };
}

async function checkTenant(scoped: ScopedDatabase, tenantId: string): Promise<void> {
  const { rowCount } = await scoped.query(sql`select from app_public.tenants where id = ${tenantId}`);
  if (rowCount !== 1) {
    throw new ImportError(
      `tenant ${JSON.stringify(tenantId)} does not exist; to list the tenants: lightning tenant list`,
    );
  }
}

/** Reads a store's files. A file that cannot be opened becomes a refusal, like one that cannot be parsed. */
async function readAll(store: Store, folder: string, paths: readonly string[]): Promise<FileContent[]> {
  const sources: SourceFile[] = [];
  const unopened: FileContent[] = [];
  for (const file of paths) {
    try {
      sources.push({ path: file, bytes: await readFile(path.join(folder, file)) });
    } catch (error) {
      const reason = `the file cannot be read: ${error instanceof Error ? error.message : String(error)}`;
      unopened.push({
        path: file,
        owner: null,
        rows: [],
        refusals: [{ file, index: null, reason, original: { unopened: true } }],
      });
    }
  }
  return [...store.read(sources), ...unopened];
}

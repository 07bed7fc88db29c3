import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { claimsOf } from '../auth/claims.ts';
import type { Database } from '../db/database.ts';
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

/** What to import, and as whom. */
export interface ImportOptions {
  readonly database: Database;
  readonly rolePrefix: string;
  readonly tenantId: string;
  readonly folder: string;
  /** Makes an agent for knowledge whose agent has no definition, instead of refusing it. */
  readonly createMissingAgents: boolean;
  /** Told of what is refused, after each file; awaited. */
  readonly onRefused: (refusals: readonly Refusal[]) => Promise<void>;
  /** Told how many items are done with, of how many. */
  readonly onProgress: (progress: ImportProgress) => void;
}

export interface ImportProgress {
  readonly done: number;
  readonly total: number;
  /** The file being loaded. */
  readonly file: string;
}

/** What became of one store's items. */
export interface StoreReport {
  readonly store: string;
  readonly files: number;
  /** Items in the files; a file that cannot be read at all is one. */
  readonly read: number;
  /** As counted in the database after loading: stored now, or there already. */
  readonly stored: number;
  readonly quarantined: number;
  readonly inserted: number;
  /** Rows that were there already and are not what the file says, with the columns. They were left alone. */
  readonly differing: readonly { readonly id: string; readonly columns: readonly string[] }[];
  /** Ids of rows whose hash in the database is not that of the file. */
  readonly mismatches: readonly string[];
  readonly createdAgents: readonly string[];
}

export interface ImportReport {
  readonly stores: readonly StoreReport[];
  /** Entries of the folder that no store is made of, or that are not of their store's kind. Nothing of them was read. */
  readonly ignored: readonly string[];
}

/** The folder is none that could be imported, or the tenant none that could take it. Nothing was changed. */
export class ImportError extends OperationalError {
  override name = 'ImportError';
}

/**
 * Imports a folder of the legacy system: every store that it has, one transaction per file. What is stored already is
 * left as it is, so it can be run again, also after it was broken off. A store's files are held in memory together.
 * Throws ImportError before anything is changed.
 */
export async function importFolder(options: ImportOptions): Promise<ImportReport> {
  const { database, rolePrefix, tenantId, folder } = options;
  const { found, ignored } = await survey(folder);
  const importer: Importer = { claims: claimsOf('service', tenantId, 'import'), context: { rolePrefix } };
  const session = asRequester(database, importer.claims, importer.context);
  await checkTenant(session, tenantId);

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
      const result = await load(options, importer, session, store, file, advance);
      const refusals = [...file.refusals, ...result.refusals].sort((a, b) => (a.index ?? 0) - (b.index ?? 0));
      await options.onRefused(refusals);
      const verdict = await verify(session, store.target, result.stored);
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
  { database, createMissingAgents }: ImportOptions,
  importer: Importer,
  session: ScopedDatabase,
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
  const defined = file.owner === null || (await agentExists(session, file.owner));
  if (!defined && !createMissingAgents) {
    return refuseAll(
      `its agent ${JSON.stringify(file.owner)} has no definition, neither in the folder nor in the database`,
    );
  }
  return loadFile(database, importer, store.target, file, { createOwner: !defined, onRows });
}

async function agentExists(session: ScopedDatabase, id: string): Promise<boolean> {
  return (await session.query(sql`select from app_public.agents where id = ${id}`)).rowCount === 1;
}

/** The stores of a folder, and what else is in it. */
async function survey(
  folder: string,
): Promise<{ found: { store: Store; files: readonly string[] }[]; ignored: string[] }> {
  const wanted = stores.map(({ looksFor }) => looksFor).join(' and ');
  const shown = path.resolve(folder);
  const entry = await stat(folder).catch(() => null);
  if (!entry) throw new ImportError(`there is no folder ${shown}; a folder with ${wanted} is needed`);
  if (!entry.isDirectory()) throw new ImportError(`${shown} is no folder; a folder with ${wanted} is needed`);

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

async function checkTenant(session: ScopedDatabase, tenantId: string): Promise<void> {
  const { rowCount } = await session.query(sql`select from app_public.tenants where id = ${tenantId}`);
  if (rowCount !== 1) {
    throw new ImportError(
      `there is no tenant ${JSON.stringify(tenantId)}; lightning tenant list shows those that there are`,
    );
  }
}

/** Reads a store's files. One that cannot be opened is a refusal, like one that cannot be understood. */
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

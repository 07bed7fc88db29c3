import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { OperationalError } from '../operational-error.ts';
import { checkFolder, mostLegacyBytes } from './check-folder.ts';
import { FileChanged, FileRefused, readRegular } from './regular-file.ts';
import { beginning, isSqlite } from './sqlite.ts';
import type { FileContent, FoundFiles, SourceFile, Store } from './store.ts';
import { stores } from './stores.ts';

/** The folder cannot be imported, or the tenant does not exist. Nothing was changed. */
export class ImportError extends OperationalError {
  override name = 'ImportError';
}

/** A store of a folder, and what its files have. */
export interface ReadStore {
  readonly store: Store;
  readonly files: readonly FileContent[];
}

/**
 * Reads every store in a folder of the legacy system, and names its other entries. Rejects with ImportError when there is nothing to
 * import.
 */
export async function readStores(
  folder: string,
  clock: string,
): Promise<{ contents: ReadStore[]; ignored: string[] }> {
  const { found, ignored } = await survey(folder);
  const contents: ReadStore[] = [];
  for (const { store, files } of found)
    contents.push({ store, files: await readAll(store, folder, files, clock) });
  return { contents, ignored };
}

/** Whether a path is a folder of the legacy system: it has an entry of one, or nothing at all. */
export async function isLegacyFolder(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(() => null);
  const known = new Set(stores.flatMap(({ entries }) => entries));
  return names !== null && (names.length === 0 || names.some((name) => known.has(name)));
}

/** The stores in a folder, and its other entries. */
async function survey(
  folder: string,
): Promise<{ found: { store: Store; files: readonly string[] }[]; ignored: string[] }> {
  const places = [...new Set(stores.map(({ looksFor }) => looksFor))];
  const wanted = `${places.join(' and ')}, or the manifest of an export`;
  const shown = path.resolve(folder);
  const entry = await stat(folder).catch(() => null);
  if (!entry) throw new ImportError(`folder ${shown} does not exist; expected a folder with ${wanted}`);
  if (!entry.isDirectory())
    throw new ImportError(`${shown} is not a folder; expected a folder with ${wanted}`);

  const known = new Set(stores.flatMap(({ entries: own }) => own));
  try {
    await checkFolder(folder, known);
  } catch (error) {
    throw error instanceof FileRefused ? new ImportError(error.message, { cause: error }) : error;
  }
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
  return { found, ignored: [...entries.filter((name) => !known.has(name)), ...ignored].toSorted() };
}

/** Reads a store's files. A file that cannot be opened becomes a refusal, like one that cannot be parsed. */
async function readAll(
  store: Store,
  folder: string,
  paths: readonly string[],
  clock: string,
): Promise<FileContent[]> {
  const sources: SourceFile[] = [];
  const unopened: FileContent[] = [];
  for (const file of paths) {
    try {
      const full = path.join(folder, file);
      sources.push({ path: file, full, clock, bytes: await readBytes(full, file) });
    } catch (error) {
      if (error instanceof FileChanged) throw changed(error);
      const reason = `the file cannot be read: ${error instanceof Error ? error.message : String(error)}`;
      unopened.push({
        path: file,
        rows: [],
        refusals: [{ file, index: null, reason, original: { unopened: true } }],
      });
    }
  }
  return [...(await store.read(sources)), ...unopened];
}

function changed(error: FileChanged): ImportError {
  return new ImportError(`${error.message}; import it when nothing writes it any more`, { cause: error });
}

async function readBytes(file: string, shown: string): Promise<Buffer> {
  const bytes = await beginning(file);
  return isSqlite(bytes) ? bytes : readRegular(file, shown, { most: mostLegacyBytes });
}

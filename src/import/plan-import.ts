import { countLeftOut } from './left-out.ts';
import type { LeftOut } from './left-out.ts';
import { legacyZone } from './local-time.ts';
import { readStores } from './read-stores.ts';

/** What an import would read of one store. */
export interface StorePlan {
  readonly store: string;
  /** The table that its rows go into. */
  readonly target: string;
  readonly files: number;
  readonly read: number;
  /** Number of items that cannot be stored whatever the database has. */
  readonly unusable: number;
  /** Sentences about what was read. */
  readonly notes: readonly string[];
}

/** What an import would do, as far as the files alone tell. */
export interface ImportPlan {
  readonly stores: readonly StorePlan[];
  readonly leftOut: readonly LeftOut[];
  readonly ignored: readonly string[];
}

/** Reads a folder as an import would, and no database. Rejects with ImportError when there is nothing to import. */
export async function planImport(folder: string, clock: string = legacyZone): Promise<ImportPlan> {
  const { contents, ignored } = await readStores(folder, clock);
  const stores = contents.map(({ store, files }) => ({
    store: store.name,
    target: store.target.table,
    files: files.length,
    read: files.reduce((sum, { rows, refusals }) => sum + rows.length + refusals.length, 0),
    unusable: files.reduce((sum, { refusals }) => sum + refusals.length, 0),
    notes: files.flatMap(({ notes }) => notes ?? []),
  }));
  return { stores, leftOut: await countLeftOut(folder), ignored };
}

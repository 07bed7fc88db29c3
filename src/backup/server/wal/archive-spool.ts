import type { Vault } from '../../vault.ts';
import { listSpool, readSpooled, removeSpooled } from './spool.ts';
import type { SpooledWal } from './spool.ts';
import { archiveWal, isTrusted, listArchivedWal, removeBeginnings } from './wal-archive.ts';
import type { ArchivedWal } from './wal-archive.ts';

export interface ArchiverOptions {
  readonly vault: Vault;
  readonly systemIdentifier: string;
  readonly spoolDirectory: string;
  readonly now: () => Date;
}

/**
 * Moves received WAL from the spool into the vault. A segment is removed from the spool once it is stored. The
 * beginning of the segment under way is stored too, replacing an earlier beginning.
 */
export class SpoolArchiver {
  readonly #options: ArchiverOptions;
  /** Whole files in the vault by name; null before the first listing. */
  #known: Map<string, readonly ArchivedWal[]> | null = null;
  /** The partial segment that was stored last, in its state at that time. */
  #lastPartial: { readonly file: string; readonly modifiedMs: number } | null = null;

  constructor(options: ArchiverOptions) {
    this.#options = options;
  }

  /**
   * Stores all finished segments, and with `partial` the beginning of the one under way. Rejects when the store does.
   */
  async archive({ partial }: { readonly partial: boolean }): Promise<readonly ArchivedWal[]> {
    const { vault, systemIdentifier, spoolDirectory } = this.#options;
    this.#known ??= wholeFiles(await listArchivedWal(vault, systemIdentifier));
    const stored: ArchivedWal[] = [];
    for (const spooled of await listSpool(spoolDirectory)) {
      if (spooled.kind === 'partial' && !(partial && this.#isNew(spooled))) continue;
      const archived = await this.#store(spooled, this.#known);
      if (archived) stored.push(archived);
    }
    return stored;
  }

  async #store(spooled: SpooledWal, known: Map<string, readonly ArchivedWal[]>): Promise<ArchivedWal | null> {
    const { vault, systemIdentifier, now } = this.#options;
    const { kind, file } = spooled;
    if (kind !== 'partial' && (await anyIsTrusted(vault, known.get(file)))) {
      // Histories stay: they tell where to go on. Any other known file was stored by a process that was killed before
      // it removed it here.
      if (kind === 'history') return null;
      await removeBeginnings(vault, systemIdentifier, file);
      await removeSpooled(spooled);
      return null;
    }
    const content = await readSpooled(spooled);
    if (content === null) return null;
    const archived = await archiveWal(vault, systemIdentifier, { kind, file, content, now: now() });
    if (kind === 'partial') this.#lastPartial = { file, modifiedMs: spooled.modifiedMs };
    else known.set(file, [archived]);
    // The store is asked, because a backup that received WAL by itself for a while has stored some beginnings, too.
    await removeBeginnings(vault, systemIdentifier, file, archived.key);
    if (kind === 'segment') await removeSpooled(spooled);
    return archived;
  }

  #isNew({ file, modifiedMs }: SpooledWal): boolean {
    return this.#lastPartial?.file !== file || this.#lastPartial.modifiedMs !== modifiedMs;
  }
}

function wholeFiles(archived: readonly ArchivedWal[]): Map<string, readonly ArchivedWal[]> {
  return Map.groupBy(
    archived.filter(({ kind }) => kind !== 'partial'),
    ({ file }) => file,
  );
}

/** A file that somebody else stored does not stand for the one that was received. */
async function anyIsTrusted(vault: Vault, found: readonly ArchivedWal[] = []): Promise<boolean> {
  for (const wal of found) if (await isTrusted(vault, wal)) return true;
  return false;
}

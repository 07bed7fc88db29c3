import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readManifests } from '../manifest.ts';
import type { Vault } from '../vault.ts';
import { chainOf } from './plan-backup.ts';
import { endOfRun } from './wal/needed-wal.ts';
import type { ServerPrograms } from './programs.ts';
import { runFrom } from './restore.ts';
import { formatLsn } from './wal/wal-position.ts';
import { findWal } from './wal/wal-run.ts';

/** The moments that a restore can reach. */
export interface ReachableWindow {
  /** The oldest backup that can be restored, and when it ended. */
  readonly oldest: { readonly backup: string; readonly time: string; readonly lsn: string };
  /** The end of the received WAL. `time` is that of its last transaction, or null. */
  readonly newest: { readonly time: string | null; readonly lsn: string };
  /** A WAL file that is missing in between; null: none is missing. */
  readonly gap: string | null;
}

/**
 * Computed from the store alone: everything in this window can be restored without the server. Null: nothing can be
 * restored. Reads the last WAL, and does not read the backups.
 */
export async function reachableWindow(
  vault: Vault,
  spoolDirectory: string | null,
  programs: ServerPrograms,
): Promise<ReachableWindow | null> {
  const { manifests } = await readManifests(vault);
  const whole = manifests
    .filter((backup) => backup.manifest.server !== null && !('broken' in chainOf(backup, manifests)))
    .toSorted((a, b) => Date.parse(a.manifest.endedAt) - Date.parse(b.manifest.endedAt));
  const oldest = whole[0];
  const newest = whole.at(-1);
  const position = newest?.manifest.server;
  if (!oldest?.manifest.server || !newest || !position) return null;
  const inventory = await findWal(vault, position.systemIdentifier, spoolDirectory);
  const run = await runFrom(inventory, { members: [newest], last: newest, position });
  const directory = await mkdtemp(join(tmpdir(), 'lightning-window-'));
  try {
    const end = await endOfRun(run.files, { segmentBytes: position.segmentBytes, programs, directory });
    return {
      oldest: { backup: oldest.id, time: oldest.manifest.endedAt, lsn: oldest.manifest.server.endLsn },
      newest: { time: end?.time ?? null, lsn: end ? formatLsn(end.lsn) : position.endLsn },
      gap: run.broken ? run.next : null,
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

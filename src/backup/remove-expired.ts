import { readManifests, removeBackup } from './manifest.ts';
import type { ReadManifest } from './manifest.ts';
import { pickExpired } from './retention.ts';
import type { RecoveryWindow } from './retention.ts';
import { removeAll } from './store/remove-all.ts';
import type { Vault } from './vault.ts';
import { parseLsn, parseSegmentFile, segmentNumber } from './server/wal/wal-position.ts';
import { listArchivedWal } from './server/wal/wal-archive.ts';
import type { ArchivedWal } from './server/wal/wal-archive.ts';

/** The result of a removal. */
export interface RemovedBackups {
  readonly backups: readonly string[];
  /** The number of WAL files. */
  readonly wal: number;
  /** Prefixes of the backups that were never finished. */
  readonly halves: readonly string[];
  readonly bytes: number;
}

export interface RemoveExpiredOptions {
  readonly vault: Vault;
  readonly window: RecoveryWindow;
  readonly now: Date;
  /** Reports what would be removed, and removes nothing. */
  readonly dryRun?: boolean;
}

/** An unfinished backup younger than this may still be in the making. */
const halfAgeMs = 24 * 3_600_000;

/**
 * Removes the backups that no moment of the window needs, the WAL before the oldest remaining backup, and the remains
 * of failed backups. While a manifest cannot be read nothing is removed: others may build on its backup.
 */
export async function removeExpired({
  vault,
  window,
  now,
  dryRun = false,
}: RemoveExpiredOptions): Promise<RemovedBackups> {
  const { manifests, damaged } = await readManifests(vault);
  const [first] = damaged;
  if (first) throw first;
  const expired = pickExpired(manifests, window, now);
  const kept = manifests.filter((backup) => !expired.includes(backup));
  const wal = await expiredWal(vault, manifests, kept);
  const halves = await oldHalves(vault, manifests, now);
  if (!dryRun) {
    // Children first: an interruption then never leaves a backup without its parent.
    for (const backup of expired.toReversed()) await removeBackup(vault, backup);
    await removeAll(
      vault.store,
      [...wal, ...[...halves.values()].flat()].map(({ key }) => key),
    );
  }
  const objects = [
    ...expired.flatMap(({ manifest }) => manifest.objects.map(({ storedBytes }) => storedBytes)),
    ...wal.map(({ storedBytes }) => storedBytes),
    ...[...halves.values()].flat().map(({ bytes }) => bytes),
  ];
  return {
    backups: expired.map(({ id }) => id),
    wal: wal.length,
    halves: [...halves.keys()],
    bytes: objects.reduce((sum, bytes) => sum + bytes, 0),
  };
}

/** WAL from before the oldest remaining backup of its cluster. Timeline histories are small, and always stay. */
async function expiredWal(
  vault: Vault,
  all: readonly ReadManifest[],
  kept: readonly ReadManifest[],
): Promise<readonly ArchivedWal[]> {
  const expired: ArchivedWal[] = [];
  for (const system of new Set(all.flatMap(({ manifest }) => manifest.server?.systemIdentifier ?? []))) {
    const starts = kept.flatMap(({ manifest: { server } }) =>
      server?.systemIdentifier === system
        ? [
            {
              from: segmentNumber(parseLsn(server.startLsn), server.segmentBytes),
              bytes: server.segmentBytes,
            },
          ]
        : [],
    );
    const oldest = starts.reduce<(typeof starts)[number] | null>(
      (least, start) => (least === null || start.from < least.from ? start : least),
      null,
    );
    for (const wal of await listArchivedWal(vault, system)) {
      if (wal.kind === 'history') continue;
      const segment = oldest && parseSegmentFile(wal.file, oldest.bytes);
      if (oldest === null || (segment && segment.number < oldest.from)) expired.push(wal);
    }
  }
  return expired;
}

async function oldHalves(
  vault: Vault,
  whole: readonly ReadManifest[],
  now: Date,
): Promise<ReadonlyMap<string, { key: string; bytes: number }[]>> {
  const ids = new Set(whole.map(({ id }) => id));
  const halves = new Map<string, { key: string; bytes: number }[]>();
  for await (const object of vault.store.list('backups/')) {
    const [, id, time] = /^backups\/((\d{8}T\d{6}Z)-[^/]+)\//.exec(object.key) ?? [];
    if (id === undefined || time === undefined || ids.has(id)) continue;
    const startedAt = Date.parse(
      time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'),
    );
    if (now.getTime() - startedAt > halfAgeMs) halves.set(id, [...(halves.get(id) ?? []), object]);
  }
  return halves;
}

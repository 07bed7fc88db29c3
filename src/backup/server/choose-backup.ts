import type { BackupDamaged } from '../backup-damaged.ts';
import type { ReadManifest, ServerPosition } from '../manifest.ts';
import { RestoreRefused, refuseUnreadable } from '../restore-refused.ts';
import { instantOf } from '../instant.ts';
import { chainOf } from './plan-backup.ts';
import type { RestoreTarget } from '../restore-target.ts';
import { parseLsn } from './wal/wal-position.ts';

/** A backup of a server and every backup that it builds on, the full one first. */
export interface Chain {
  readonly members: readonly ReadManifest[];
  /** The newest backup of the chain. */
  readonly last: ReadManifest;
  readonly position: ServerPosition;
}

export interface ChooseOptions {
  readonly backups: readonly ReadManifest[];
  /** Manifests that cannot be read. */
  readonly damaged: readonly BackupDamaged[];
  readonly target: RestoreTarget;
  /** The id of the backup to begin with; null: the newest that is early enough. */
  readonly from: string | null;
}

/**
 * The chain with which a restore begins: that of the newest backup that ended before the target. Throws
 * RestoreRefused.
 */
export function chooseChain({ backups, damaged, target, from }: ChooseOptions): Chain {
  refuseUnreadable(damaged, from);
  const ofServers = backups
    .filter(({ manifest }) => manifest.server !== null)
    .toSorted((a, b) => Date.parse(a.manifest.endedAt) - Date.parse(b.manifest.endedAt));
  if (ofServers.length === 0) throw new RestoreRefused('the store holds no backup of a server', null);
  const fits = ofServers.filter((backup) => isEarlyEnough(backup, target));
  const chosen = from === null ? fits.at(-1) : ofServers.find(({ id }) => id === from);
  if (!chosen) {
    const [oldest] = ofServers;
    throw new RestoreRefused(
      from === null
        ? `no backup is old enough: the oldest, ${oldest?.id}, ended at ${oldest?.manifest.endedAt}, position ${oldest?.manifest.server?.endLsn}`
        : `backup ${from} does not exist; lightning backups lists those that do`,
      null,
    );
  }
  if (!fits.includes(chosen)) {
    throw new RestoreRefused(
      `${chosen.id} is too young: it ended at ${chosen.manifest.endedAt}, position ${chosen.manifest.server?.endLsn}`,
      null,
    );
  }
  const members = chainOf(chosen, backups);
  if ('broken' in members) throw new RestoreRefused(members.what, members.broken);
  const position = chosen.manifest.server;
  if (!position) throw new RestoreRefused(`${chosen.id} is not a backup of a server`, null);
  return { members, last: chosen, position };
}

function isEarlyEnough({ manifest }: ReadManifest, target: RestoreTarget): boolean {
  switch (target.kind) {
    case 'latest':
      return true;
    case 'time':
      return instantOf(new Date(manifest.endedAt)) <= target.time;
    case 'lsn':
      return manifest.server !== null && parseLsn(manifest.server.endLsn) <= target.lsn;
    default:
      return target satisfies never;
  }
}

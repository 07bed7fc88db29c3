import type { BackupDamaged } from '../backup-damaged.ts';
import { instantOf } from '../instant.ts';
import type { ReadManifest } from '../manifest.ts';
import { RestoreRefused, refuseUnreadable } from '../restore-refused.ts';
import type { RestoreTarget } from '../restore-target.ts';

export interface ChooseOptions {
  /** At least one, oldest first. */
  readonly snapshots: readonly ReadManifest[];
  /** The errors of the manifests that cannot be read. */
  readonly damaged: readonly BackupDamaged[];
  readonly target: RestoreTarget;
  /** The id of the snapshot to restore; null: the newest that is early enough. */
  readonly from: string | null;
}

/**
 * The newest snapshot that is early enough, or the one that `from` names: of an embedded database, only the moments
 * of its snapshots are kept. Throws RestoreRefused.
 */
export function chooseSnapshot({ snapshots, damaged, target, from }: ChooseOptions): ReadManifest {
  refuseUnreadable(damaged, from);
  if (target.kind === 'lsn') {
    throw new RestoreRefused(
      'the store holds snapshots of an embedded database: --to is latest or a time, --from names one of them',
      null,
    );
  }
  const fits = snapshots.filter(
    ({ manifest }) => target.kind === 'latest' || instantOf(new Date(manifest.endedAt)) <= target.time,
  );
  const chosen = from === null ? fits.at(-1) : fits.find(({ id }) => id === from);
  if (!chosen) {
    const [oldest] = snapshots;
    throw new RestoreRefused(
      from === null
        ? `no snapshot is old enough: the oldest, ${oldest?.id}, ended at ${oldest?.manifest.endedAt}`
        : `snapshot ${from} does not exist or is not early enough; lightning backups lists them`,
      null,
    );
  }
  return chosen;
}

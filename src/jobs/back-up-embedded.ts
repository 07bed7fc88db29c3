import { collectGarbage } from '../backup/embedded/garbage.ts';
import { takeSnapshot } from '../backup/embedded/snapshot.ts';
import { recordBackups } from '../backup/record-backups.ts';
import { removeExpired } from '../backup/remove-expired.ts';
import { openVault } from '../backup/store/open-store.ts';
import type { Config } from '../config/config.ts';
import type { Executor } from '../db/database.ts';
import { OperationalError } from '../operational-error.ts';
import type { BackUp } from './job-resources.ts';

/**
 * Takes a snapshot of the embedded database, then removes the snapshots that no moment of the recovery window needs, and what
 * only they were made of. Gives what it did, in words.
 */
export async function backUpEmbedded(
  config: Config,
  connectionString: string,
  executor: Executor,
  requested: Parameters<BackUp>[0],
  run: Parameters<BackUp>[1],
  now: () => Date,
): Promise<string> {
  const vault = await openVault(config.backup);
  const { id, manifest } = await takeSnapshot({
    dataDirectory: config.dataDirectory,
    connectionString,
    vault,
    now,
    everything: requested === 'full',
    onProgress: (fraction, note) => run.progress(fraction, note),
    signal: run.signal,
  });
  const removed = await removeExpired({ vault, window: { days: config.backup.retentionDays }, now: now() });
  const collected = await collectGarbage(vault, now);
  const changed = await recordBackups(executor, vault);
  if (changed.length > 0) {
    throw new OperationalError(
      `${id} is made, but ${changed.join(', ')} in ${vault.store.name} has another manifest than ops.backups recorded: ` +
        'somebody changed it',
    );
  }
  const { newBytes = 0, heldMs = 0 } = manifest.embedded ?? {};
  const gone =
    removed.backups.length + collected.objects > 0
      ? `; removed ${removed.backups.length} expired backups and ${collected.objects} objects that none needs`
      : '';
  return `${id}, ${(newBytes / 1_000_000).toFixed(1)} MB stored; writers waited ${Math.round(heldMs)} ms${gone}`;
}

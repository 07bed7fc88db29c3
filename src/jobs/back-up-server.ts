import type { Config } from '../config/config.ts';
import { recordBackups } from '../backup/record-backups.ts';
import type { Executor } from '../db/database.ts';
import { configuredBackups } from '../backup/server/configured-programs.ts';
import { removeExpired } from '../backup/remove-expired.ts';
import { backupServer } from '../backup/server/back-up-server.ts';
import type { PlanOptions } from '../backup/server/plan-backup.ts';
import type { Log } from '../log.ts';
import { OperationalError } from '../operational-error.ts';
import type { JobRun } from './job-run.ts';

/** Makes a backup of the configured server, then removes what no moment of the recovery window needs. Gives what it did, in words. */
export async function backUpServer(
  config: Config,
  executor: Executor,
  requested: PlanOptions['requested'],
  run: Pick<JobRun, 'signal' | 'progress'>,
  log: Log,
  now: () => Date,
): Promise<string> {
  const configured = await configuredBackups(config);
  const { backup, why } = await backupServer({
    ...configured,
    requested,
    onProgress: (fraction, note) => run.progress(fraction, note),
    signal: run.signal,
    log,
    now,
  });
  const stored = backup.manifest.objects.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const removed = await removeExpired({
    vault: configured.vault,
    window: { days: config.backup.retentionDays },
    now: now(),
  });
  const changed = await recordBackups(executor, configured.vault);
  if (changed.length > 0) {
    throw new OperationalError(
      `${backup.id} is made, but ${changed.join(', ')} in ${configured.vault.store.name} ` +
        'has another manifest than ops.backups recorded: somebody changed it',
    );
  }
  const gone =
    removed.backups.length + removed.wal + removed.halves.length > 0
      ? `; removed ${removed.backups.length} expired backups, ${removed.wal} files of WAL and ${removed.halves.length} halves`
      : '';
  return `${backup.id}, ${Math.ceil(stored / 1_000_000)} MB stored: ${why}${gone}`;
}

import type { Backups, RequestedBackup } from '../backup/backups.ts';
import type { Executor } from '../db/database.ts';
import { OperationalError } from '../operational-error.ts';
import { defineJob } from './job.ts';
import type { JobRun } from './job-run.ts';
import { PayloadError, payloadMembers } from './payload.ts';

/** One backup at a time, whether the job or the command line begins it. */
export const backupLock = 'backup';

/**
 * Makes a backup, removes the backups that no moment of the recovery window needs, and makes ops.backups agree with
 * the store. The executor is the worker's. Returns, in words, what it did. Rejects, once the backup is made, when
 * somebody changed an earlier one.
 */
export async function backUp(
  backups: Backups,
  executor: Executor,
  requested: RequestedBackup,
  { signal, progress }: Pick<JobRun, 'signal' | 'progress'>,
  now: () => Date,
): Promise<string> {
  const { id, summary } = await backups.take(requested, { signal, onProgress: progress });
  const removal = await backups.removeExpired(now());
  const changed = await backups.record(executor);
  if (changed !== null) throw new OperationalError(`${id} is made, but ${changed}`);
  return removal.summary === null ? summary : `${summary}; ${removal.summary}`;
}

/** Accepts `{"kind": "full"}` or the like; without a kind, whatever is due. */
function backUpPayload(payload: unknown): RequestedBackup {
  const { kind = 'auto' } = payloadMembers(payload, ['kind']);
  if (kind === 'auto' || kind === 'full' || kind === 'incremental') return kind;
  throw new PayloadError(`kind is ${JSON.stringify(kind)}; allowed are auto, full and incremental`);
}

export const backUpJob = defineJob({
  task: 'back_up',
  does: 'backs the database up, and removes the backups that are not needed any more',
  parse: backUpPayload,
  lock: backupLock,
  expectedMinutes: 360,
  run: async (requested, run, { backups, executor, now }) =>
    backups ? backUp(backups, executor, requested, run, now) : null,
});

import type { Backups, RequestedBackup } from '../backup/backups.ts';
import type { Executor } from '../db/database.ts';
import { OperationalError } from '../operational-error.ts';
import { defineJob } from './job.ts';
import type { JobRun } from './job-run.ts';
import { PayloadError, payloadMembers } from './payload.ts';

/** One at a time, whoever begins it: the job or the command line. */
export const backupLock = 'backup';

/**
 * Makes a backup, removes what no moment of the recovery window needs, and makes ops.backups say what is there. The executor is the
 * worker's. Gives what it did, in words; rejects, once the backup is made, when somebody changed an earlier one.
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

/** `{"kind": "full"}`, or the like; without it whatever is due. */
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

import { defineJob } from './job.ts';
import type { BackUp } from './job-resources.ts';
import { PayloadError, payloadMembers } from './payload.ts';

/** One at a time, whoever begins it: the job or the command line. */
export const backupLock = 'backup';

/** `{"kind": "full"}`, or the like; without it whatever is due. */
function backUpPayload(payload: unknown): Parameters<BackUp>[0] {
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
  run: async (requested, run, { backUp }) => (backUp ? backUp(requested, run) : null),
});

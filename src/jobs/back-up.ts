import type { JobRun } from './job-run.ts';
import { PayloadError, payloadMembers } from './payload.ts';

/** One at a time, whoever begins it: the job or the command line. */
export const backupLock = 'backup';

/** Backs the configured database up. Gives what it did, in words. */
export type BackUp = (
  requested: 'auto' | 'full' | 'incremental',
  run: Pick<JobRun, 'signal' | 'progress'>,
) => Promise<string>;

/** `{"kind": "full"}`, or the like; without it whatever is due. */
export function backUpPayload(payload: unknown): Parameters<BackUp>[0] {
  const { kind = 'auto' } = payloadMembers(payload, ['kind']);
  if (kind === 'auto' || kind === 'full' || kind === 'incremental') return kind;
  throw new PayloadError(`kind is ${JSON.stringify(kind)}; allowed are auto, full and incremental`);
}

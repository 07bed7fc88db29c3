import type { Config } from '../config.ts';
import type { Executor } from '../db/database.ts';
import type { Log } from '../log.ts';
import { backUpEmbedded } from './back-up-embedded.ts';
import { backUpServer } from './back-up-server.ts';
import type { JobRun } from './job-run.ts';
import { PayloadError, payloadMembers } from './payload.ts';

/** One at a time, whoever begins it: the job or the command line. */
export const backupLock = 'backup';

/** Backs the configured database up. Gives what it did, in words. */
export type BackUp = (
  requested: 'auto' | 'full' | 'incremental',
  run: Pick<JobRun, 'signal' | 'progress'>,
) => Promise<string>;

/**
 * How the configured database is backed up; null: nothing says where to, or there is nothing to keep. `connectionString`: of the
 * worker, which an embedded database is held by.
 */
export function makeBackUp(
  config: Config,
  connectionString: string,
  executor: Executor,
  log: Log,
  now: () => Date,
): BackUp | null {
  if (!config.useDatabase || !config.backup.store) return null;
  if (!config.server) {
    return (requested, run) => backUpEmbedded(config, connectionString, executor, requested, run, now);
  }
  if (!config.server.backupUrl) return null;
  return (requested, run) => backUpServer(config, executor, requested, run, log, now);
}

/** `{"kind": "full"}`, or the like; without it whatever is due. */
export function backUpPayload(payload: unknown): Parameters<BackUp>[0] {
  const { kind = 'auto' } = payloadMembers(payload, ['kind']);
  if (kind === 'auto' || kind === 'full' || kind === 'incremental') return kind;
  throw new PayloadError(`kind is ${JSON.stringify(kind)}; allowed are auto, full and incremental`);
}

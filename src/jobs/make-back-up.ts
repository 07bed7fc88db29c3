import type { Config } from '../config/config.ts';
import type { Executor } from '../db/database.ts';
import type { Log } from '../log.ts';
import { backUpEmbedded } from './back-up-embedded.ts';
import { backUpServer } from './back-up-server.ts';
import type { BackUp } from './job-resources.ts';

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

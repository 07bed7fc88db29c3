import { OperationalError } from '../../operational-error.ts';
import { runCommand } from '../../programs/command.ts';
import { programFile } from './programs.ts';
import type { ServerPrograms } from './programs.ts';

/** Labels of `pg_controldata`, with the names of the settings. */
const limits = {
  max_connections: 'max_connections',
  max_worker_processes: 'max_worker_processes',
  max_wal_senders: 'max_wal_senders',
  max_prepared_xacts: 'max_prepared_transactions',
  max_locks_per_xact: 'max_locks_per_transaction',
} as const;

/**
 * The limits that the server of a data directory ran with, by the name of the setting. Replay refuses a server with a
 * lower one, whether the lost server had its value from a file or from its command line.
 */
export async function limitsOf(
  dataDirectory: string,
  programs: ServerPrograms,
): Promise<Readonly<Record<string, string>>> {
  const control = await runCommand(programFile(programs, 'pg_controldata'), [dataDirectory], {
    env: programs.environment,
  });
  return Object.fromEntries(
    Object.entries(limits).map(([label, setting]) => {
      const value = new RegExp(`^${label} setting: +(\\d+)$`, 'm').exec(control)?.[1];
      if (value === undefined)
        throw new OperationalError(`pg_controldata does not report ${label}:\n${control}`);
      return [setting, value];
    }),
  );
}

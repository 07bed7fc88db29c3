import { readFile } from 'node:fs/promises';

/** Servers whose settings are on their command line, and in no file. */
export type CommandLineName = keyof typeof commandLines;

export const commandLines = {
  'docker-compose.yml': composeCommandLine,
  Patroni: async () => patroniCommandLine,
} as const;

/** The command line of docker-compose.yml's server, read from that file. */
async function composeCommandLine(): Promise<readonly string[]> {
  const text = await readFile(new URL('../../docker-compose.yml', import.meta.url), 'utf8');
  const [, list = ''] = /^ {4}command:\n((?: {6}- .*\n)+)/m.exec(text) ?? [];
  const [program, ...args] = [...list.matchAll(/^ {6}- (.*)$/gm)].map(([, word = '']) => word);
  if (program !== 'postgres' || args.length === 0) {
    throw new Error('docker-compose.yml has no command that begins with postgres');
  }
  return args;
}

/**
 * The settings that Patroni passes: those that all members of a cluster must share, here larger than a new cluster's.
 */
const patroniCommandLine: readonly string[] = [
  '--cluster_name=batman',
  '--wal_level=replica',
  '--hot_standby=on',
  '--max_connections=250',
  '--max_wal_senders=15',
  '--max_prepared_transactions=20',
  '--max_locks_per_transaction=128',
  '--track_commit_timestamp=off',
  '--max_replication_slots=15',
  '--max_worker_processes=16',
  '--wal_log_hints=on',
  // Patroni does not set this one; incremental backups need it.
  '--summarize_wal=on',
];

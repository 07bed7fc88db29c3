import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { configuredPrograms } from '../backup/server/configured-programs.ts';
import { programFile } from '../backup/server/programs.ts';
import { recoverServer } from '../backup/server/recover.ts';
import type { ServerProcess } from '../backup/server/recover.ts';
import type { Config } from '../config/config.ts';
import { parseConfig } from '../config/parse-config.ts';
import type { CommandUser } from '../programs/command.ts';
import type { CommandContext } from './command-context.ts';
import { explain } from './explain.ts';
import { untilAborted } from './signals.ts';
import { UsageError } from './usage-error.ts';
import type { OnProgress } from '../on-progress.ts';

export interface RecoverFlags {
  readonly port: string;
  readonly socketDirectory: string;
}

/** Number of lines of a log that are shown. */
const shownLines = 20;

/**
 * Starts a server on a restored directory, as the directory's owner, and waits until it accepts writes. The
 * server then runs on by itself. Returns a description of it for the operator.
 */
export async function recover(
  config: Config,
  directory: string,
  { port, socketDirectory }: RecoverFlags,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<string> {
  if (!/^\d+$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    throw new UsageError(`--port is ${JSON.stringify(port)}; expected a whole number from 1 to 65535`);
  }
  const dataDirectory = resolve(directory);
  const programs = await configuredPrograms(config)(await majorOf(dataDirectory));
  const user = await ownerOf(dataDirectory);
  const logFile = join(dataDirectory, 'start.log');
  const startedAt = performance.now();
  await recoverServer({
    dataDirectory,
    settings: { port, unix_socket_directories: socketDirectory },
    launch: (args) =>
      startDetached(programFile(programs, 'postgres'), args, programs.environment, user, logFile),
    onProgress,
    signal,
  });
  return [
    `the server accepts writes on port ${port}, after ${Math.ceil((performance.now() - startedAt) / 1000)} s; its log is ${logFile}`,
    'It runs until it is stopped, by the owner of the directory:',
    `  ${programs.binDirectory}/pg_ctl --pgdata=${dataDirectory} stop`,
  ].join('\n');
}

async function majorOf(dataDirectory: string): Promise<number> {
  try {
    return Number.parseInt(await readFile(join(dataDirectory, 'PG_VERSION'), 'utf8'), 10);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    throw new UsageError(
      `${dataDirectory} is not a data directory: it has no PG_VERSION. lightning restore makes one`,
    );
  }
}

/**
 * The user that the server runs as: Postgres must own the directory, and does not run as root. Undefined: this
 * process's user.
 */
async function ownerOf(dataDirectory: string): Promise<CommandUser | undefined> {
  const { uid, gid } = await stat(dataDirectory);
  const ours = process.getuid?.();
  if (ours === undefined || (ours === uid && ours !== 0)) return undefined;
  if (uid === 0) {
    throw new UsageError(
      `${dataDirectory} belongs to root, and Postgres does not run as root: chown -R postgres: ${dataDirectory}`,
    );
  }
  if (ours !== 0)
    throw new UsageError(
      `${dataDirectory} belongs to another user: run this command as that user, or as root`,
    );
  return { uid, gid };
}

/** Starts a program that outlives this process. */
async function startDetached(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  user: CommandUser | undefined,
  logFile: string,
): Promise<ServerProcess> {
  const log = await open(logFile, 'a', 0o600);
  try {
    if (user) await log.chown(user.uid, user.gid);
    const child = spawn(program, args, {
      env,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      ...user,
    });
    await once(child, 'spawn');
    child.unref();
    const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
    return {
      hasEnded,
      log: async () => (await readFile(logFile, 'utf8')).trimEnd().split('\n').slice(-shownLines).join('\n'),
      stop: async () => {
        if (hasEnded()) return;
        const ended = once(child, 'exit');
        child.ref();
        // SIGINT asks Postgres for a fast shutdown.
        child.kill('SIGINT');
        await ended;
      },
    };
  } finally {
    await log.close();
  }
}

/** `lightning recover` */
export function addRecover(program: Command, { environment, print, showProgress }: CommandContext): void {
  explain(program.command('recover <directory>'), {
    variables: ['BACKUP_STORE', 'BACKUP_ENCRYPTION_KEY', 'BACKUP_PUBLIC_KEY', 'BACKUP_BIN_DIR'],
    examples: [['lightning recover ./restored --port 5433', 'a server that accepts writes']],
  })
    .description(
      'start a server on a restored directory, and wait until it has replayed its WAL and accepts writes',
    )
    .requiredOption('--port <port>', 'the port that it listens on')
    .option('--socket-directory <directory>', 'the directory of its Unix socket', '/tmp')
    .action(async (directory: string, flags: RecoverFlags) => {
      const config = parseConfig(environment.variables);
      print(await recover(config, directory, flags, showProgress, untilAborted()));
    });
}

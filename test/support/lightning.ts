import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { compileCache } from './compile-cache.ts';

const bin = fileURLToPath(new URL('../../bin/lightning', import.meta.url));

/** The working directory of commands unless a test names another: it has no `.env` of the developer's. */
const neutralDirectory = fileURLToPath(new URL('.', import.meta.url));

/** The result of a command line. */
export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * The variables of the test, and those that a process needs: nothing of the machine's own configuration. The backups of
 * an embedded database go into its directory instead of beside it, where those of other tests would be.
 */
function environment(env: Record<string, string>): Record<string, string> {
  const store =
    env['DATA_DIR'] !== undefined && !env['DATABASE_URL']
      ? { BACKUP_STORE: `${env['DATA_DIR']}/backups` }
      : {};
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: process.env['HOME'] ?? '',
    NODE_COMPILE_CACHE: compileCache,
    // Processes of tests run side by side; those of test/monitoring choose a port.
    METRICS_PORT: 'off',
    // Tests that ask /readyz would otherwise count as balancers, which each SIGTERM waits for.
    DRAIN_MS: '0',
    ...store,
    ...env,
  };
}

/** Runs `lightning` with these arguments until it ends. */
export function lightning(
  args: readonly string[],
  env: Record<string, string> = {},
  cwd = neutralDirectory,
): Promise<Finished> {
  const child = spawn(process.execPath, [bin, ...args], { env: environment(env), cwd });
  return finished(child);
}

/** A running `lightning` process. */
export interface Spawned {
  readonly process: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Finished>;
  /** Its stderr so far, which is the log. */
  log(): string;
}

/** Starts `lightning` with these arguments, without waiting for anything. */
export function spawnLightning(args: readonly string[], env: Record<string, string>): Spawned {
  const child = spawn(process.execPath, [bin, ...args], { env: environment(env), cwd: neutralDirectory });
  let log = '';
  child.stderr.on('data', (data) => (log += String(data)));
  return { process: child, ended: finished(child), log: () => log };
}

/** A `lightning start` (or `serve`) that is listening. */
export interface Started {
  readonly process: ChildProcessWithoutNullStreams;
  readonly url: string;
  /** The first user's token; empty on a server. */
  readonly token: string;
  /** Its stderr so far, which is the log. */
  log(): string;
  /** Sends the signal and waits for the process to end. */
  stop(signal?: NodeJS.Signals): Promise<Finished>;
}

/**
 * Starts `lightning` on a free port and resolves once it listens. Rejects with its output when it ends first. `program`
 * is the path of another copy of bin/lightning; `cwd` has its `.env`.
 */
export async function startLightning(
  env: Record<string, string>,
  args: readonly string[] = ['start'],
  program = bin,
  cwd = neutralDirectory,
): Promise<Started> {
  const child = spawn(process.execPath, [program, ...args], {
    env: environment({ PORT: '0', ...env }),
    cwd,
  });
  const end = finished(child);
  let output = '';
  let log = '';
  child.stderr.on('data', (data) => (log += String(data)));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (data) => {
      output += String(data);
      const found = /^GraphQL\s+(\S+)\/graphql$/m.exec(output)?.[1];
      if (found) resolve(found);
    });
    void end.then(({ status, stdout, stderr }) =>
      reject(new Error(`lightning ended with ${status} before it listened\n${stdout}${stderr}`)),
    );
  });
  // The file of the token is written before the address. The line of the log that names it may still arrive later.
  await new Promise((resolve) => setTimeout(resolve, 100));
  return {
    process: child,
    url,
    token: await firstTokenOf(log),
    log: () => log,
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return end;
    },
  };
}

/** The token in the file that the log names; empty when it names none. */
export async function firstTokenOf(log: string): Promise<string> {
  const line = log.split('\n').find((each) => each.includes('"event":"first-token"'));
  if (line === undefined) return '';
  const { file } = JSON.parse(line) as { readonly file: string };
  return (await readFile(file, 'utf8')).trim();
}

function finished(child: ChildProcessWithoutNullStreams): Promise<Finished> {
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => (stdout += String(data)));
  child.stderr.on('data', (data) => (stderr += String(data)));
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, stdout, stderr })));
}

import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

/** The database, login and duration of a pgbench run. */
export interface PgbenchOptions {
  readonly binDirectory: string;
  readonly url: string;
  /** The directory for the script. */
  readonly directory: string;
  readonly connections: number;
  readonly seconds: number;
  /** Transactions per second that are begun; the default is as many as go. */
  readonly rate?: number;
  /** The role in which sessions begin; the default is the login. pgbench prepares statements before it runs any. */
  readonly role?: string;
  /** Whether commits wait for the disk; the default is what the server does. */
  readonly waits?: boolean;
}

/** The counts that pgbench reports. */
export interface PgbenchResult {
  readonly transactions: number;
  /** Transactions per second, without the time for connecting. */
  readonly perSecond: number;
  /** Mean time of a transaction, in milliseconds; with a rate, from the moment at which it was due. */
  readonly meanMs: number;
}

/** Runs a script with prepared statements. Rejects when one of its statements fails. */
export async function pgbench(script: string, options: PgbenchOptions): Promise<PgbenchResult> {
  const file = path.join(options.directory, 'script.sql');
  await writeFile(file, script);
  const url = new URL(options.url);
  const { stdout, stderr } = await promisify(execFile)(
    path.join(options.binDirectory, 'pgbench'),
    [
      '--no-vacuum',
      '--protocol=prepared',
      `--client=${options.connections}`,
      '--jobs=2',
      `--time=${options.seconds}`,
      ...(options.rate === undefined ? [] : [`--rate=${options.rate}`]),
      `--file=${file}`,
      url.pathname.slice(1),
    ],
    {
      env: {
        PGHOST: url.hostname,
        PGPORT: url.port,
        PGUSER: decodeURIComponent(url.username),
        PGPASSWORD: decodeURIComponent(url.password),
        PGOPTIONS: [
          ...(options.role === undefined ? [] : [`-c role=${options.role}`]),
          ...(options.waits === undefined ? [] : [`-c synchronous_commit=${options.waits ? 'on' : 'off'}`]),
        ].join(' '),
      },
    },
  );
  const number = (pattern: RegExp): number => {
    const found = Number(pattern.exec(stdout)?.[1] ?? Number.NaN);
    if (Number.isNaN(found)) throw new Error(`expected pgbench to print ${pattern}, got: ${stdout}${stderr}`);
    return found;
  };
  if (number(/number of failed transactions: (\d+)/) > 0) throw new Error(`pgbench: ${stdout}${stderr}`);
  return {
    transactions: number(/number of transactions actually processed: (\d+)/),
    perSecond: number(/tps = ([\d.]+) \(without initial connection time\)/),
    meanMs: number(/latency average = ([\d.]+) ms/),
  };
}

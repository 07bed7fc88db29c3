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
  /** The role in which sessions begin; the default is the login. pgbench prepares statements before it runs any. */
  readonly role?: string;
}

/** The counts that pgbench reports. */
export interface PgbenchResult {
  readonly transactions: number;
  /** Transactions per second, without the time for connecting. */
  readonly perSecond: number;
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
      `--file=${file}`,
      url.pathname.slice(1),
    ],
    {
      env: {
        PGHOST: url.hostname,
        PGPORT: url.port,
        PGUSER: decodeURIComponent(url.username),
        PGPASSWORD: decodeURIComponent(url.password),
        ...(options.role !== undefined && { PGOPTIONS: `-c role=${options.role}` }),
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
  };
}

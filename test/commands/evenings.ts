import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { embeddedConnectionString } from '../../src/embedded/embedded.ts';
import { startLightning } from '../support/lightning.ts';

const help = `node test/commands/evenings.ts [options]

An embedded database that is on from 18:00 to 18:02 of each evening for a week: \`lightning start\`, whose clock is moved by
libfaketime (Debian: apt-get install faketime). Every evening must leave one backup, and the week a drill that passed and no
alert. Then a first evening whose store cannot be written: it must leave an alert.

  --evenings N    number of evenings (default 7)
  --seconds N     time that it is on each evening, in real time and by its clock (default 120)
  --help          this text

Takes a quarter of an hour. Exits with 1 when a check fails.
`;

const libraries = ['x86_64', 'aarch64'].map(
  (machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`,
);
const dayMs = 86_400_000;
/** The evening of a Monday. */
const firstEvening = Date.parse('2026-12-07T18:00:00Z');

/** The results of an evening, read from the database at its end. */
interface Evening {
  readonly backups: readonly string[];
  readonly drills: readonly string[];
  readonly alerts: readonly string[];
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      evenings: { type: 'string', default: '7' },
      seconds: { type: 'string', default: '120' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const library = libraries.find(existsSync);
  if (library === undefined) throw new Error('libfaketime is missing: apt-get install faketime');
  const directory = await mkdtemp(path.join(tmpdir(), 'evenings-'));
  const evenings = Number(values.evenings);
  const seconds = Number(values.seconds);
  const problems: string[] = [];
  try {
    const week = { DATA_DIR: path.join(directory, 'data'), BACKUP_STORE: path.join(directory, 'store') };
    let drills = 0;
    for (let evening = 0; evening < evenings; evening++) {
      const left = await spend(library, firstEvening + evening * dayMs, seconds, week);
      drills += left.drills.filter((outcome) => outcome === 'passed').length;
      if (left.backups.length !== 1)
        problems.push(`evening ${evening + 1}: expected one backup, got ${left.backups.length}`);
      if (left.drills.includes('failed')) problems.push(`the drill of evening ${evening + 1} failed`);
      for (const alert of left.alerts) problems.push(`evening ${evening + 1} left an alert: ${alert}`);
    }
    if (drills === 0) problems.push('no drill passed');

    const file = path.join(directory, 'a file');
    await writeFile(file, 'no store');
    const without = { DATA_DIR: path.join(directory, 'other'), BACKUP_STORE: path.join(file, 'store') };
    const { backups, alerts } = await spend(library, firstEvening, seconds, without);
    if (backups.length > 0) problems.push('expected no backup in a store that cannot be written, got one');
    if (!alerts.some((alert) => alert.includes('no backup was ever made')))
      problems.push('expected an alert that no backup was ever made, got none');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  for (const problem of problems) console.log(`PROBLEM ${problem}`);
  return problems.length > 0 ? 1 : 0;
}

/** Runs the database for some seconds from `at`, and reads the results before the database ends. */
async function spend(
  library: string,
  at: number,
  seconds: number,
  env: Record<string, string>,
): Promise<Evening> {
  const time = new Date(at).toISOString().slice(0, 19).replace('T', ' ');
  const started = await startLightning({
    ...env,
    LD_PRELOAD: library,
    // The clock continues from there. The monotonic clock, which timers use, stays as it is.
    FAKETIME: `@${time}`,
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    TZ: 'UTC',
  });
  try {
    await pause(seconds * 1_000);
    const client = new Client({ connectionString: embeddedConnectionString(env['DATA_DIR'] ?? '') });
    await client.connect();
    const { rows } = await client.query<Evening>(
      `select
         array(select format('%s %s', kind, started_at) from ops.backups where started_at > $1 and removed_at is null) as backups,
         array(select case when passed then 'passed' else 'failed' end from ops.drills where started_at > $1) as drills,
         array(select message from ops.alerts where resolved_at is null) as alerts`,
      [new Date(at)],
    );
    await client.end();
    const [left] = rows;
    if (!left) throw new Error('the database returned no row');
    console.log(`${time}: ${JSON.stringify(left)}`);
    return left;
  } finally {
    const { status, stderr } = await started.stop();
    if (status !== 0) console.log(`ended with ${status}: ${stderr.slice(-2_000)}`);
  }
}

if (import.meta.main) process.exitCode = await main();

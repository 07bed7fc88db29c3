import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { reachableWindow } from '../../../src/backup/server/reachable-window.ts';
import { restoreServerBackup } from '../../../src/backup/server/restore.ts';
import { serverUser } from '../../../src/programs/server-user.ts';
import { startBackedUpServer } from '../../support/backed-up-server.ts';
import type { BackedUpServer } from '../../support/backed-up-server.ts';
import { startRestored } from '../../support/postgres/own-server.ts';
import { provideServer } from '../../support/postgres/provide.ts';

const help = `node test/backup/server/lose-server.ts [options]

A full backup and three incremental ones under a write load through row-level security and audit; then the server is killed
(SIGKILL) at a moment that nobody chose, its data directory is gone, and 'latest' is restored. Every acknowledged transaction is
looked for. Received synchronously, none may be missing; asynchronously, those of the last moment may, and nothing between.

  --rounds N    servers to lose, of each of the two kinds (default 3)
  --seconds N   of load before the first, and after each backup (default 10)
  --help        this text

Exits with 1 when a transaction is missing that must not.
`;

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { rounds: { type: 'string' }, seconds: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const [rounds, seconds] = [Number(values.rounds ?? 3), Number(values.seconds ?? 10)];
  if (!(Number.isInteger(rounds) && rounds > 0 && seconds > 0))
    throw new Error('--rounds and --seconds are numbers above 0');
  const provided = await provideServer();
  if (provided.kind === 'unavailable' || !provided.binDirectory) throw new Error('no server with programs');
  let problems = 0;
  try {
    for (let round = 1; round <= rounds; round += 1) {
      for (const synchronous of [true, false]) {
        if (!(await loseOne(provided.binDirectory, synchronous, seconds))) problems += 1;
      }
    }
  } finally {
    await provided.stop();
  }
  say(
    problems === 0
      ? 'nothing was missing that must not be'
      : `${problems} servers came back with less than they had to`,
  );
  return problems === 0 ? 0 : 1;
}

/** Whether the restored server has every transaction that it must have. */
async function loseOne(binDirectory: string, synchronous: boolean, seconds: number): Promise<boolean> {
  const server = await startBackedUpServer(binDirectory, { synchronous, pauseMs: 0 });
  try {
    for (const kind of ['full', 'incremental', 'incremental', 'incremental'] as const) {
      await sleep(seconds * 1000);
      await server.backUp(kind);
    }
    await sleep(Math.random() * seconds * 1000);
    const lostAt = performance.now();
    await server.own.destroy();
    await server.load.stop();
    await server.receiving.stop();
    const stored = await restoredAgents(server, binDirectory);
    const { acknowledged } = server.load;
    const missing = acknowledged.filter((id) => !stored.has(id));
    // The missing transactions must be the last ones written, apart from those that were in flight at the same time.
    const first = missing[0] === undefined ? acknowledged.length : acknowledged.indexOf(missing[0]);
    const within = acknowledged.slice(first).filter((id) => stored.has(id)).length;
    const fine = acknowledged.length > 0 && (synchronous ? missing.length === 0 : within <= writers);
    say(
      `${synchronous ? 'synchronous' : 'asynchronous'}: ${acknowledged.length} transactions acknowledged, ${missing.length} missing` +
        `${missing.length === 0 ? '' : `, ${within} later ones are there`}; restored and compared in ${((performance.now() - lostAt) / 1000).toFixed(0)} s` +
        `${fine ? '' : ': WRONG'}`,
    );
    return fine;
  } finally {
    await server.close();
  }
}

/** Concurrent transactions of the load. */
const writers = 4;

async function restoredAgents(
  { options, programs, folder, own }: BackedUpServer,
  binDirectory: string,
): Promise<ReadonlySet<string>> {
  const window = await reachableWindow(options.vault, null, programs);
  say(`WAL was received until ${window?.newest.lsn}, its last transaction at ${window?.newest.time}`);
  const into = join(folder, 'restored', 'data');
  await restoreServerBackup({
    ...options,
    spoolDirectory: null,
    target: { kind: 'latest' },
    into,
    programs,
    owner: await serverUser(),
    durable: false,
  });
  const restored = await startRestored(binDirectory, into);
  const client = new Client({ connectionString: restored.at(own.adminUrl) });
  try {
    await client.connect();
    const { rows } = await client.query<{ id: string }>('select id from app_public.agents');
    return new Set(rows.map(({ id }) => id));
  } finally {
    await client.end();
    await restored.stop();
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exitCode = await main(process.argv.slice(2));

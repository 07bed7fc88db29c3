import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { drillSnapshot } from '../../src/backup/embedded/drill.ts';
import { restoreSnapshot } from '../../src/backup/embedded/restore.ts';
import { takeSnapshot } from '../../src/backup/embedded/snapshot.ts';
import type { ReadManifest } from '../../src/backup/manifest.ts';
import { DirectoryStore } from '../../src/backup/store/directory-store.ts';
import { makeVault } from '../../src/backup/vault.ts';
import { startEmbedded } from '../../src/embedded/embedded.ts';

// Snapshots of an embedded database of 100 MB, at rest and under 1,000 writes a second: what is stored, how long writers wait, and
// that the restored database holds what was acknowledged to the writers. Exits with 1 when one of these does not hold.

const { values } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '100' },
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '20' },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  console.log('node test/bench/snapshot.ts [--megabytes 100] [--rate 1000] [--seconds 20]');
  process.exit(0);
}
const [megabytes, rate, seconds] = [Number(values.megabytes), Number(values.rate), Number(values.seconds)];

const home = await mkdtemp(path.join(tmpdir(), 'snapshot-bench-'));
const dataDirectory = path.join(home, 'data');
const embedded = await startEmbedded({ dataDirectory });
const vault = makeVault(new DirectoryStore(path.join(home, 'backups')), null);
const failures: string[] = [];
try {
  const client = new Client({ connectionString: embedded.connectionString });
  // The end of the database also ends its connections; another error tells the reason.
  client.on('error', () => undefined);
  await client.connect();
  // A row has about 1 kB that compresses little.
  await client.query(`
    create table filler as
      select g as id, string_agg(md5(g::text || i), '') as content
      from generate_series(1, ${megabytes * 1000}) g, generate_series(1, 30) i group by g;
    create table written (n bigint primary key, content text not null);
    create table written_too (n bigint primary key, content text not null)`);
  // Vacuum runs outside the transaction of other statements.
  await client.query('vacuum (analyze)');
  await client.query('checkpoint');
  const { rows } = await client.query(`select pg_database_size('postgres') as bytes`);
  console.log(`database of ${mb(Number(rows[0]?.bytes))} MB`);
  await sleep(2_500);

  await timed('first', true);
  await timed('second', true);
  const third = await timed('third, nothing having changed', true);
  check(third.manifest.embedded!.newBytes < 1_000_000, 'an unchanged database adds less than 1 MB');

  const writer = write(embedded.connectionString, rate);
  await sleep((seconds * 1000) / 2);
  const ackedBefore = writer.acked;
  const writtenFor = performance.now();
  const taken = await timed(`under ${rate} writes/s`, false);
  const ackedAfter = writer.acked;
  const during = (ackedAfter - ackedBefore) / ((performance.now() - writtenFor) / 1000);
  await sleep((seconds * 1000) / 2);
  const { longestWaitMs, rateReached } = await writer.stop();
  console.log(
    `writer: ${Math.round(rateReached)} writes/s over all, ${Math.round(during)} during the snapshot, ` +
      `longest wait of a write ${Math.round(longestWaitMs)} ms`,
  );
  check(
    ackedAfter > ackedBefore && writer.acked > ackedAfter,
    'the snapshot was taken while the writers wrote',
  );

  const into = path.join(home, 'restored');
  await restoreSnapshot({ vault, snapshot: taken, into });
  const running = await startEmbedded({ dataDirectory: into });
  const reader = new Client({ connectionString: running.connectionString });
  await reader.connect();
  const found = await reader.query<{ count: number; last: number; right: number; both: number }>(`
    select count(*)::integer as count, max(n)::integer as last,
      count(*) filter (where w.content = md5(n::text))::integer as right,
      count(*) filter (where t.content = md5(n::text))::integer as both
    from written w full join written_too t using (n)`);
  await reader.end();
  await running.close();
  const { count, last, right, both } = found.rows[0]!;
  console.log(
    `restored: ${count} transactions, the last is ${last}; acknowledged ${ackedBefore} before, ${ackedAfter} after`,
  );
  check(count === last && right === last && both === last, 'every transaction up to the last is complete');
  check(
    last >= ackedBefore && last <= ackedAfter + 1,
    'the last transaction is from the time of the snapshot',
  );
  const noted = taken.manifest.embedded!.tables.find(({ table }) => table === '"public"."written"');
  check(noted?.rows === count, 'the number of rows is the one noted in the held moment');

  const verdict = await drillSnapshot({ vault, snapshot: taken });
  console.log(
    `drill: ${verdict.comparedTables} tables, ${verdict.comparedRows} rows, restored in ${verdict.restoreMs} ms` +
      verdict.problems.map((problem) => `\n  ${problem}`).join(''),
  );
  check(verdict.problems.length === 0 && verdict.comparedRows > 0, 'the drill is green');
  await client.end();
} finally {
  await embedded.close();
  await rm(home, { recursive: true, force: true });
}
process.exitCode = failures.length > 0 ? 1 : 0;

async function timed(name: string, rested: boolean): Promise<ReadManifest> {
  if (rested) await sleep(2_500);
  const began = performance.now();
  const taken = await takeSnapshot({
    dataDirectory,
    connectionString: embedded.connectionString,
    vault,
    now: () => new Date(),
  });
  const { bytes, newBytes, heldMs } = taken.manifest.embedded!;
  console.log(
    `snapshot (${name}): ${mb(bytes)} MB in ${Math.round(performance.now() - began)} ms, ` +
      `${(newBytes / 1e6).toFixed(3)} MB stored, writers held for ${heldMs} ms`,
  );
  return taken;
}

/** Transactions of one insert into each of two tables, at a steady rate; a writer that falls behind catches up. */
function write(connectionString: string, perSecond: number) {
  const stopping = new AbortController();
  const state = { acked: 0, longestWaitMs: 0 };
  const began = performance.now();
  const writing = (async () => {
    const client = new Client({ connectionString });
    await client.connect();
    while (!stopping.signal.aborted) {
      const due = began + (state.acked * 1000) / perSecond;
      if (due > performance.now() + 1) await sleep(due - performance.now());
      const n = state.acked + 1;
      const asked = performance.now();
      await client.query({
        name: 'write',
        text: `with w as (insert into written values ($1::bigint, md5($1::bigint::text))) insert into written_too values ($1::bigint, md5($1::bigint::text))`,
        values: [n],
      });
      state.longestWaitMs = Math.max(state.longestWaitMs, performance.now() - asked);
      state.acked = n;
    }
    await client.end();
  })();
  return {
    get acked() {
      return state.acked;
    },
    stop: async () => {
      stopping.abort();
      await writing;
      return {
        longestWaitMs: state.longestWaitMs,
        rateReached: state.acked / ((performance.now() - began) / 1000),
      };
    },
  };
}

function check(holds: boolean, what: string): void {
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${what}`);
  if (!holds) failures.push(what);
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

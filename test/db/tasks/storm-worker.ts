// A process of the storm (storm.ts) to kill: some claimers that work until there is nothing left or SIGTERM comes, each on a
// connection of its own, through the same path as the API. It writes down what it does in the journal.
import { openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseError } from 'pg';
import { claimsOf } from '../../../src/auth/claims.ts';
import { asRequester } from '../../../src/auth/requester.ts';
import { serverDatabase } from '../../support/server-database.ts';
import { callOf } from '../../support/task-target.ts';
import type { Row } from '../../support/task-target.ts';
import { journalLine } from './journal.ts';
import type { JournalEntry } from './journal.ts';

/** What a process is told, as JSON in its first argument. */
export interface StormWorkerOptions {
  readonly url: string;
  readonly rolePrefix: string;
  readonly tenant: string;
  readonly name: string;
  readonly claimers: number;
  readonly leaseSeconds: number;
  /** The longest that usual work takes. */
  readonly workMs: number;
  readonly journal: string;
}

const options = JSON.parse(process.argv[2] ?? '') as StormWorkerOptions;
const { name, claimers, leaseSeconds, workMs } = options;
const journal = openSync(options.journal, 'a');
const write = (entry: Omit<JournalEntry, 'process'>) =>
  writeSync(journal, journalLine({ ...entry, process: name }));

const database = serverDatabase(options.url, {
  size: claimers,
  overflow: 0,
  applicationName: `storm ${name}`,
  // All processes of a storm begin at once, on whatever else the machine does.
  connectMs: 60_000,
  waitMs: 60_000,
});
const session = asRequester(
  { database, rolePrefix: options.rolePrefix },
  claimsOf('service', options.tenant, name),
);
const call = async (fn: string, args: Row) => (await session.query<Row>(callOf(fn, args))).rows;

const stopping = new AbortController();
process.on('SIGTERM', () => stopping.abort());

async function claimer(agent: string): Promise<void> {
  while (!stopping.signal.aborted) {
    const [claimed] = await call('claim_task', { agent, lease: `${leaseSeconds} seconds` });
    if (!claimed) {
      await sleep(20 + Math.random() * 60);
      continue;
    }
    const [task, token] = [String(claimed['task_id']), String(claimed['fencing_token'])];
    write({ event: 'begun', task, token });
    try {
      const event = await work({ task_id: task, fencing_token: token }, claimed['context'] as Row);
      write({ event, task, token });
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code !== 'LTQ02') throw error;
      write({ event: 'refused', task, token, code: error.code });
    }
  }
}

/** Long work outlives its lease twice and lives by heartbeats; of the usual, a few fail or are given back. */
async function work(held: Row, context: Row): Promise<JournalEntry['event']> {
  if (context['long']) {
    for (let third = 1; third <= 6; third += 1) {
      await sleep((leaseSeconds * 1000) / 3);
      await call('heartbeat_task', { ...held, progress: third / 6 });
    }
  } else {
    await sleep(Math.random() * workMs);
  }
  const chance = Math.random();
  if (chance < 0.02) {
    await call('fail_task', { ...held, error: 'bad luck', retry_in: '0' });
    return 'failed';
  }
  if (chance < 0.04) {
    await call('release_task', held);
    return 'released';
  }
  await call('complete_task', { ...held, result: { token: held['fencing_token'] } });
  return 'completed';
}

await Promise.all(Array.from({ length: claimers }, (_, i) => claimer(`${name}.${i}`)));
await database.close();

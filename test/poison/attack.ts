import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from 'pg';
import type { Config } from '../../src/config/config.ts';
import { impatient, makeEmbed } from '../../src/embeddings/embedding-client.ts';
import { startWorker } from '../../src/jobs/worker.ts';
import type { LogEntry } from '../../src/log.ts';
import { apiDatabase, workerDatabase } from '../../src/open-database.ts';
import type { Connections } from '../../src/open-database.ts';
import { startApp, testToken } from '../support/app.ts';
import { startEmbeddingsServer } from '../support/embeddings-server.ts';
import { faultOf, readsBack, throughGraphql, throughRest } from './doors.ts';
import type { Sent } from './doors.ts';
import { dayOf, isOver, jobs, spendDay } from './healthy-day.ts';
import { readSurface } from './surface.ts';
import type { Dose } from './values.ts';

/** The statistics of an attack, and the faults that it found. */
export interface Outcome {
  readonly requests: number;
  /** The number of answers by status. */
  readonly statuses: ReadonlyMap<number, number>;
  /** Answers that no door may give, with their causes. */
  readonly faults: readonly string[];
  /** A healthy tenant's day, without the poison and with it. */
  readonly without: unknown;
  readonly withPoison: unknown;
  /** Runs of jobs that failed, and tenants that have quarantined items. */
  readonly failedRuns: readonly string[];
  readonly setAsideOf: readonly string[];
}

/** The target: a migrated database, as the product opens it. */
export interface AttackedDatabase {
  readonly config: Config;
  readonly connections: Connections;
  /** A superuser, to arrange and inspect. */
  readonly admin: Client;
}

/**
 * Starts the API and the worker and lets a healthy tenant spend a day. Then another tenant sends poison into everything
 * that the catalog and the schema of GraphQL offer, one request after the other, while a second healthy tenant spends
 * the same day. `every`: only each n-th request, and all of record_metrics. `say` receives the progress.
 */
export async function attack(
  { config, connections, admin }: AttackedDatabase,
  {
    dose,
    every = 1,
    maxBodyBytes = 1_048_576,
    say = () => {},
  }: { dose: Dose; every?: number; maxBodyBytes?: number; say?: (line: string) => void },
): Promise<Outcome> {
  const logged: LogEntry[] = [];
  const log = (entry: LogEntry) => void logged.push(entry);
  const embeddings = await startEmbeddingsServer();
  const embed = makeEmbed({ url: embeddings.url, model: 'm', apiKey: null }, impatient);
  const database = apiDatabase(connections, config, log);
  const app = await startApp(database, { maxBodyBytes, embed });
  const { pool, database: executor, close } = workerDatabase(connections, config, log);
  const worker = await startWorker({
    pool,
    executor,
    kind: connections.kind,
    embed,
    alertWebhook: null,
    log,
    reapEveryMs: 300,
  });
  const sender = async (tenant: string) => ({ url: app.url, token: await testToken('service', tenant) });
  for (const tenant of ['before', 'after', 'poisoner'])
    await admin.query('select ops.create_tenant($1, $1)', [tenant]);
  /** The day of a tenant, after the jobs have done their part. */
  const day = async (tenant: string): Promise<unknown> => {
    const who = await sender(tenant);
    await spendDay(who);
    const deadline = Date.now() + 120_000;
    while (!(await isOver(admin, tenant))) {
      if (Date.now() > deadline)
        throw new Error(
          `the day of ${tenant} does not end: ${JSON.stringify(await dayOf(who, admin, tenant))}`,
        );
      await admin.query(`select graphile_worker.add_job(j, job_key => j) from unnest($1::text[]) j`, [jobs]);
      await pause(500);
    }
    return dayOf(who, admin, tenant);
  };

  const statuses = new Map<number, number>();
  const faults: string[] = [];
  let requests = 0;
  const sendAll = async (dosed: Iterable<Sent>, each: number): Promise<void> => {
    let position = 0;
    for (const { what, send } of dosed) {
      position += 1;
      // The poison that once stopped everybody's rollups is always included.
      if (position % each !== 0 && !what.startsWith('rpc record_metrics.points')) continue;
      const answer = await send();
      requests += 1;
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      const fault = faultOf(answer);
      if (fault !== null) {
        faults.push(`${what} -> ${fault}`);
        say(`fault: ${faults.at(-1)}`);
      }
      if (requests % 500 === 0) say(`${requests} requests, ${faults.length} faults`);
    }
  };
  try {
    const without = await day('before');
    const poisoner = await sender('poisoner');
    const surface = await readSurface(admin);
    await sendAll(throughRest(poisoner, surface, dose), every);
    await sendAll(await throughGraphql(poisoner, surface, dose), every);
    await sendAll(readsBack(poisoner, surface), 1);
    const withPoison = await day('after');
    const failed = await admin.query<{ line: string }>(
      "select distinct task || ': ' || error as line from ops.job_runs where outcome = 'failed'",
    );
    const setAside = await admin.query<{ tenant: string }>(
      'select distinct tenant_id as tenant from ops.quarantined_items',
    );
    return {
      requests,
      statuses,
      faults,
      without,
      withPoison,
      failedRuns: [
        ...failed.rows.map(({ line }) => line),
        ...logged.filter(({ event }) => event === 'leases-not-reaped').map(({ message }) => message),
      ],
      setAsideOf: setAside.rows.map(({ tenant }) => tenant),
    };
  } finally {
    await worker.stop();
    await app.close();
    await close();
    await database.close();
    await embeddings.close();
  }
}

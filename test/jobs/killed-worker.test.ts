import { rm } from 'node:fs/promises';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { LogEntry } from '../../src/log.ts';
import { jobQueue } from '../support/job-queue.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { connectToWorker } from '../support/embedded-worker.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { spawnLightning } from '../support/lightning.ts';
import type { Spawned } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';
import { storageEnvironment } from '../support/object-storage.ts';
import { startS3StandIn } from '../support/s3-stand-in.ts';
import { startWebhook } from '../support/webhook.ts';
import type { Webhook } from '../support/webhook.ts';
import { strongSecret } from '../support/token-keys.ts';

/**
 * A job without a schedule, so that only the test's own job runs. The job is in its middle while the webhook has
 * received its request and has not answered. It is tried once, like most jobs of the crontab.
 */
async function addJob(admin: Client): Promise<string> {
  const { rows } = await admin.query<{ id: string }>(
    `select id from graphile_worker.add_job('send_alert', '{"text": "fire drill"}', max_attempts => 1)`,
  );
  return rows[0]!.id;
}

async function runsOf(admin: Client, job: string): Promise<unknown[]> {
  const { rows } = await admin.query(
    `select r.outcome, w.pid from ops.job_runs r left join ops.workers w on w.id = r.worker
     where r.job_id = $1 order by r.id`,
    [job],
  );
  return rows;
}

async function jobOf(admin: Client, job: string): Promise<unknown> {
  const { rows } = await admin.query(
    `select j.state, w.pid from ${jobQueue} j left join ops.workers w on w.id = j.worker where j.id = $1`,
    [job],
  );
  return rows[0];
}

/** The log of a process that ended in order: it names the job that it gave back, and has no error. */
function expectStopWithoutError(worker: Spawned, task: string): void {
  const entries = worker
    .log()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogEntry);
  expect(entries).toContainEqual(
    expect.objectContaining({
      level: 'info',
      event: 'job-stopped',
      message: `${task}: the worker was told to stop, and the job is left to the next worker`,
    }),
  );
  expect(entries.filter(({ level }) => level !== 'info')).toEqual([]);
  expect(worker.log()).not.toContain('AbortError');
}

describe.skipIf(noServer)('a worker of a server', () => {
  let fresh: MigratedDatabase;
  let admin: Client;
  let webhook: Webhook;
  const workers: Spawned[] = [];

  beforeAll(async () => {
    fresh = await migratedDatabase();
    admin = new Client(fresh.adminUrl);
    await admin.connect();
    webhook = await startWebhook();
  });
  afterEach(async () => {
    for (const { process, ended } of workers.splice(0)) {
      process.kill('SIGKILL');
      await ended;
    }
  });
  afterAll(async () => {
    await webhook?.close();
    await admin?.end();
    await fresh?.drop();
  });

  /** Starts `lightning work`; resolves once the worker is registered. */
  const work = async (): Promise<Spawned> => {
    const worker = spawnLightning(['work'], {
      DATABASE_URL: fresh.urls.api,
      WORKER_DATABASE_URL: fresh.urls.worker,
      JWT_SECRET: strongSecret,
      DB_ROLE_PREFIX: testRolePrefix,
      ALERT_WEBHOOK_URL: webhook.url.reveal(),
    });
    workers.push(worker);
    await expect
      .poll(() => admin.query('select from ops.workers where pid = $1', [worker.process.pid]), {
        timeout: 60_000,
      })
      .toMatchObject({ rowCount: 1 });
    return worker;
  };
  /** Starts a worker and waits until it is in the middle of a job. */
  const working = async () => {
    const worker = await work();
    const held = webhook.hold('fire drill');
    const job = await addJob(admin);
    const answer = await held;
    const { pid } = worker.process;
    expect(await jobOf(admin, job)).toEqual({ state: 'running', pid });
    expect(await runsOf(admin, job)).toEqual([{ outcome: 'running', pid }]);
    return { worker, pid, job, answer };
  };
  /** Makes a worker look as if it had been silent for a minute. */
  const letAMinutePass = (pid: number | undefined) =>
    admin.query("update ops.workers set seen_at = seen_at - interval '1 minute' where pid = $1", [pid]);

  test('that is killed in the middle of a job leaves the job to another', async () => {
    const { worker, pid, job } = await working();
    worker.process.kill('SIGKILL');
    await worker.ended;
    expect(await jobOf(admin, job)).toEqual({ state: 'running', pid });
    await letAMinutePass(pid);
    const next = await work();
    await expect
      .poll(() => runsOf(admin, job), { timeout: 20_000 })
      .toEqual([
        { outcome: 'abandoned', pid },
        { outcome: 'succeeded', pid: next.process.pid },
      ]);
    expect(webhook.received.filter(({ text }) => text === 'fire drill')).toHaveLength(1);
    expect(next.log()).toMatch(/"event":"job-taken-over"/);
  }, 150_000);

  test('that is told to stop in the middle of a job leaves it to another: no error, and no attempt lost', async () => {
    const { worker, pid, job } = await working();
    worker.process.kill('SIGTERM');
    expect((await worker.ended).status).toBe(0);
    expectStopWithoutError(worker, 'send_alert');
    expect(await runsOf(admin, job)).toEqual([{ outcome: 'failed', pid }]);
    expect(await jobOf(admin, job)).toBeUndefined();
    const { rows } = await admin.query(
      `select state, attempts, max_attempts from ${jobQueue} where task = 'send_alert'`,
    );
    expect(rows).toEqual([{ state: 'waiting', attempts: 0, max_attempts: 1 }]);
    const sent = webhook.received.filter(({ text }) => text === 'fire drill').length;
    await work();
    await expect
      .poll(() => webhook.received.filter(({ text }) => text === 'fire drill').length, { timeout: 20_000 })
      .toBe(sent + 1);
    await expect
      .poll(async () => (await admin.query(`select from ${jobQueue} where task = 'send_alert'`)).rowCount)
      .toBe(0);
  }, 150_000);

  test('that is suspended, taken for dead, and comes back does not disturb its successor', async () => {
    const { worker, pid, job, answer } = await working();
    worker.process.kill('SIGSTOP');
    await letAMinutePass(pid);
    const held = webhook.hold('fire drill');
    const next = await work();
    const nextAnswer = await held;
    const successor = { pid: next.process.pid };
    expect(await runsOf(admin, job)).toEqual([
      { outcome: 'abandoned', pid },
      { outcome: 'running', ...successor },
    ]);

    worker.process.kill('SIGCONT');
    answer();
    // It ends its work, finds that the run is no longer its own, and leaves the job to its successor.
    await expect
      .poll(() => worker.log(), { timeout: 20_000 })
      .toMatch(/run \d+ of send_alert is lost: it was taken for dead/);
    expect(await jobOf(admin, job)).toEqual({ state: 'running', ...successor });
    nextAnswer();
    await expect
      .poll(() => runsOf(admin, job))
      .toEqual([
        { outcome: 'abandoned', pid },
        { outcome: 'succeeded', ...successor },
      ]);
    await expect.poll(() => jobOf(admin, job)).toBeUndefined();
  }, 150_000);
});

describe('a worker of an embedded database', () => {
  let directory: string;
  let webhook: Webhook;
  const undo: (() => unknown)[] = [];
  beforeAll(async () => {
    directory = await migratedDataDirectory();
    webhook = await startWebhook();
  });
  afterAll(async () => {
    for (const end of undo.toReversed()) await end();
    await webhook?.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** Starts `lightning work`, which also runs the database. */
  const work = async (place = directory, store: Record<string, string> = {}) => {
    const worker = spawnLightning(['work'], {
      DATA_DIR: place,
      DB_ROLE_PREFIX: testRolePrefix,
      ALERT_WEBHOOK_URL: webhook.url.reveal(),
      ...store,
    });
    undo.push(() => worker.process.kill('SIGKILL'));
    const admin = await connectToWorker(place, worker);
    undo.push(() => admin.end().catch(() => {}));
    return { worker, admin, pid: worker.process.pid };
  };

  test('that is killed in the middle of a job does the job without waiting when it starts again', async () => {
    const first = await work();
    const held = webhook.hold('fire drill');
    const job = await addJob(first.admin);
    await held;
    expect(await runsOf(first.admin, job)).toEqual([{ outcome: 'running', pid: first.pid }]);
    first.worker.process.kill('SIGKILL');
    await first.worker.ended;

    const second = await work();
    await expect
      .poll(() => runsOf(second.admin, job), { timeout: 20_000 })
      .toEqual([
        { outcome: 'abandoned', pid: first.pid },
        { outcome: 'succeeded', pid: second.pid },
      ]);
    expect(webhook.received.filter(({ text }) => text === 'fire drill')).toHaveLength(1);
  }, 150_000);

  test('that is told to stop during its first automatic backup logs no error, and backs up when it starts again', async () => {
    const place = await migratedDataDirectory();
    undo.push(() => rm(place, { recursive: true, force: true }));
    const storage = await startS3StandIn();
    undo.push(() => storage.stop());
    const store = storageEnvironment(storage.location());
    // The backup is in its middle while the store does not answer.
    storage.onRequest = ({ method }) => (method === 'PUT' ? 'silent' : 'pass');
    const first = await work(place, store);
    await expect
      .poll(() => storage.requests.some(({ fault }) => fault === 'silent'), { timeout: 60_000 })
      .toBe(true);
    first.worker.process.kill('SIGTERM');
    expect((await first.worker.ended).status, first.worker.log()).toBe(0);
    expectStopWithoutError(first.worker, 'back_up');

    storage.onRequest = () => 'pass';
    const second = await work(place, store);
    await expect
      .poll(() => second.admin.query('select from ops.backups'), { timeout: 60_000 })
      .toMatchObject({ rowCount: 1 });
  }, 150_000);
});

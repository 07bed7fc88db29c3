import { Logger, makeWorkerUtils } from 'graphile-worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startWorker } from '../../src/jobs/worker.ts';
import type { RunningWorker } from '../../src/jobs/worker.ts';
import type { LogEntry } from '../../src/log.ts';
import { startWebhook } from '../support/webhook.ts';
import type { Webhook } from '../support/webhook.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';

describe.each(workerTargets)('a worker that graphile-worker leaves without jobs (%s)', (_kind, open) => {
  const logged: LogEntry[] = [];
  let target: WorkerTarget;
  let webhook: Webhook;
  let worker: RunningWorker;
  let stopped = false;

  beforeAll(async () => {
    target = await open();
    webhook = await startWebhook();
    await target.admin.query(`create function public.refuse() returns trigger language plpgsql as
      $$ begin raise 'as if the connection had been cut'; end $$`);
    const queue = await makeWorkerUtils({ pgPool: target.pool, logger: new Logger(() => () => {}) });
    await queue.migrate();
    await queue.release();
    await refuse('insert', '_private_tasks');
    worker = await startWorker({
      pool: target.pool,
      executor: target.database,
      kind: target.kind,
      embed: null,
      alertWebhook: webhook.url,
      log: (entry) => logged.push(entry),
      presenceEveryMs: 200,
    });
  });
  afterAll(async () => {
    if (!stopped) await worker?.stop();
    await webhook?.close();
    await target?.close();
  });

  const refuse = (what: string, table: string) =>
    target.admin.query(
      `create trigger refuse before ${what} on graphile_worker.${table} for each row execute function public.refuse()`,
    );
  const allow = (table: string) => target.admin.query(`drop trigger refuse on graphile_worker.${table}`);
  const ends = (): string[] =>
    logged.filter(({ event }) => event === 'worker-ended').map(({ message }) => message);
  const add = async (text: string): Promise<void> => {
    await target.admin.query(
      `select graphile_worker.add_job('send_alert', json_build_object('text', $1::text))`,
      [text],
    );
  };
  const received = (text: string): boolean => webhook.received.some((event) => event.text === text);

  test('looks for jobs although its first look failed, and says why', async () => {
    await expect
      .poll(ends)
      .toContainEqual(
        expect.stringMatching(/the first look for a job failed: .*as if the connection had been cut/),
      );
    await allow('_private_tasks');
    await add('looked for');
    await expect.poll(() => received('looked for'), { timeout: 20_000 }).toBe(true);
  });

  test('takes new jobs although the end of one could not be written while another runs, and stops in time', async () => {
    await refuse('delete', '_private_jobs');
    const underWay = webhook.hold('under way');
    await add('under way');
    const answer = await underWay;
    await add('first');
    await expect.poll(() => received('first'), { timeout: 10_000 }).toBe(true);

    await add('after the first');
    await expect.poll(() => received('after the first'), { timeout: 20_000 }).toBe(true);
    expect(received('under way')).toBe(false);
    expect(ends()).toContainEqual(expect.stringMatching(/is being restarted: completeJob failed: .*as if/));

    answer();
    await expect.poll(() => received('under way')).toBe(true);
    await allow('_private_jobs');
    await add('last');
    await expect.poll(() => received('last'), { timeout: 20_000 }).toBe(true);

    stopped = true;
    const began = performance.now();
    await worker.stop();
    expect(performance.now() - began).toBeLessThan(8_000);
  });
});

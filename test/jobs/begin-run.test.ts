import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startWorker } from '../../src/jobs/worker.ts';
import type { RunningWorker } from '../../src/jobs/worker.ts';
import type { LogEntry } from '../../src/log.ts';
import { startWebhook } from '../support/webhook.ts';
import type { Webhook } from '../support/webhook.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';

describe.each(workerTargets)('a worker that cannot write that a job has ended (%s)', (_kind, open) => {
  const logged: LogEntry[] = [];
  let target: WorkerTarget;
  let webhook: Webhook;
  let worker: RunningWorker;
  let stopped = false;

  beforeAll(async () => {
    target = await open();
    webhook = await startWebhook();
    worker = await startWorker({
      pool: target.pool,
      executor: target.database,
      kind: target.kind,
      embed: null,
      alertWebhook: webhook.url,
      log: (entry) => logged.push(entry),
      presenceEveryMs: 200,
    });
    // As a connection that is cut at that moment: the job is done, and the database does not hear of it.
    await target.admin.query(`
      create function public.refuse() returns trigger language plpgsql as $$ begin raise 'the end is not written'; end $$;
      create trigger refuse before delete on graphile_worker._private_jobs for each row execute function public.refuse()`);
  });
  afterAll(async () => {
    if (!stopped) await worker?.stop();
    await webhook?.close();
    await target?.close();
  });

  const add = async (text: string): Promise<void> => {
    await target.admin.query(
      `select graphile_worker.add_job('send_alert', json_build_object('text', $1::text))`,
      [text],
    );
  };
  const received = (text: string): boolean => webhook.received.some((event) => event.text === text);

  test('takes new jobs while the one before still runs, tells why, and stops in time', async () => {
    const underWay = webhook.hold('under way');
    await add('under way');
    const answer = await underWay;
    await add('first');
    await expect.poll(() => received('first'), { timeout: 10_000 }).toBe(true);

    await add('after the first');
    await expect.poll(() => received('after the first'), { timeout: 20_000 }).toBe(true);
    expect(received('under way')).toBe(false);
    const ends = logged.filter(({ event }) => event === 'worker-ended').map(({ message }) => message);
    expect(ends[0]).toMatch(/is started again: completeJob failed: .*the end is not written/);

    answer();
    await expect.poll(() => received('under way')).toBe(true);
    await target.admin.query('drop trigger refuse on graphile_worker._private_jobs');
    await add('last');
    await expect.poll(() => received('last'), { timeout: 20_000 }).toBe(true);

    stopped = true;
    const began = performance.now();
    await worker.stop();
    expect(performance.now() - began).toBeLessThan(8_000);
  });
});

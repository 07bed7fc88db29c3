import { Logger, run } from 'graphile-worker';
import type { Runner } from 'graphile-worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AlertEvent } from '../../src/jobs/check-alerts.ts';
import { jobs } from '../../src/jobs/registry.ts';
import { taskListOf } from '../../src/jobs/run-jobs.ts';
import type { LogEntry } from '../../src/log.ts';
import { jobQueue } from '../support/job-queue.ts';
import { jobResources } from '../support/job-resources.ts';
import { startWebhook } from '../support/webhook.ts';
import type { Webhook } from '../support/webhook.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';

describe.each(workerTargets)('alerts (%s)', (_kind, open) => {
  let target: WorkerTarget;
  let webhook: Webhook;
  let runner: Runner;
  const logged: LogEntry[] = [];

  beforeAll(async () => {
    target = await open();
    webhook = await startWebhook();
    const { database: executor } = target;
    const log = (entry: LogEntry) => logged.push(entry);
    const resources = jobResources(executor, { kind: target.kind, alertWebhook: webhook.url, log });
    runner = await run({
      pgPool: target.pool,
      noHandleSignals: true,
      pollInterval: 100,
      logger: new Logger(() => () => {}),
      taskList: taskListOf(jobs, { resources, signal: new AbortController().signal }),
      parsedCronItems: [],
    });
  });
  afterAll(async () => {
    await runner?.stop();
    await webhook?.close();
    await target?.close();
  });

  const shortly = ({ event, alert }: AlertEvent) =>
    `${event} ${alert.severity} ${alert.kind} ${alert.subject}`;
  const sql = (query: string, values: unknown[] = []) => target.admin.query(query, values);

  test('go to the log and to the webhook, which is tried again while it is out of order', async () => {
    webhook.answers.push(500);
    logged.length = 0;
    await sql("select ops.see_worker('w', 'host', 17, '0'), ops.lose_workers('{w}')");
    await runner.addJob('check_alerts', {});
    await expect
      .poll(async () => (await sql(`select last_error from ${jobQueue} where task = 'send_alert'`)).rows)
      .toEqual([{ last_error: 'the webhook answered 500 out of order' }]);
    expect(webhook.received).toEqual([]);
    // Makes the next try due now.
    await sql('select graphile_worker.reschedule_jobs(array[id], now()) from graphile_worker.jobs');
    await expect.poll(() => webhook.received.map(shortly)).toEqual(['raised warning lost_workers w']);
    expect(webhook.received[0]).toEqual({
      event: 'raised',
      text: expect.stringMatching(/^warning lost_workers: worker w /),
      alert: expect.objectContaining({ resolved_at: null, details: expect.objectContaining({ pid: 17 }) }),
    });
    await sql('update ops.workers set lost_at = null');
    await runner.addJob('check_alerts', {});
    await expect.poll(() => webhook.received.map(shortly).at(-1)).toBe('resolved warning lost_workers w');
    expect(logged.filter(({ event }) => event.startsWith('alert'))).toMatchObject([
      { level: 'warning', event: 'alert-raised', kind: 'lost_workers', subject: 'w' },
      { level: 'info', event: 'alert-resolved' },
    ]);
    expect(JSON.stringify(logged)).not.toContain('hush');
  });
});

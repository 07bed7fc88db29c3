import { Logger, run } from 'graphile-worker';
import type { Runner } from 'graphile-worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineJob } from '../../src/jobs/job.ts';
import { noPayload, payloadMembers } from '../../src/jobs/payload.ts';
import { recordRun } from '../../src/jobs/job-run.ts';
import { taskListOf } from '../../src/jobs/run-jobs.ts';
import type { LogEntry } from '../../src/log.ts';
import { jobResources } from '../support/job-resources.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';

describe.each(workerTargets)('jobs of the worker (%s)', (_kind, open) => {
  let target: WorkerTarget;
  let runner: Runner;
  const logged: LogEntry[] = [];
  const errors: string[] = [];

  beforeAll(async () => {
    target = await open();
    runner = await run({
      pgPool: target.pool,
      noHandleSignals: true,
      pollInterval: 100,
      logger: new Logger(() => (level, message) => {
        if (level === 'error') errors.push(message);
      }),
      taskList: taskListOf(
        [
          defineJob({
            task: 'greet',
            does: 'greets somebody',
            parse: (payload) => String(payloadMembers(payload, ['name']).name),
            run: async (name) => `said hello to ${name}`,
          }),
          defineJob({ task: 'look', does: 'looks for work', parse: noPayload, run: async () => null }),
          defineJob({
            task: 'alone',
            does: 'runs alone',
            parse: noPayload,
            lock: 'alone',
            run: async () => 'was alone',
          }),
          defineJob({
            task: 'fail',
            does: 'fails',
            parse: noPayload,
            run: () => Promise.reject(new Error('the disk is full')),
          }),
        ],
        {
          resources: jobResources(target.database, { log: (entry) => logged.push(entry) }),
          signal: new AbortController().signal,
        },
      ),
      parsedCronItems: [],
    });
  });
  afterAll(async () => {
    await runner?.stop();
    await target?.close();
  });

  const runsOf = async (task: string) =>
    (await target.admin.query('select * from ops.job_runs where task = $1 order by id', [task])).rows;
  const jobsOf = async (task: string) =>
    (await target.admin.query('select * from graphile_worker.jobs where task_identifier = $1', [task])).rows;

  test('are recorded with their parsed payload, and log what they did', async () => {
    const job = await runner.addJob('greet', { name: 'Ada' });
    await expect
      .poll(() => runsOf('greet'))
      .toMatchObject([
        {
          outcome: 'succeeded',
          note: 'said hello to Ada',
          job_id: job.id,
          worker: expect.stringMatching(/^pool-/),
        },
      ]);
    await expect
      .poll(() => logged.filter(({ task }) => task === 'greet'))
      .toMatchObject([{ event: 'job-done', message: 'greet: said hello to Ada', job: job.id }]);
  });

  test('with an unreadable payload fail with a sentence', async () => {
    await runner.addJob('greet', { nam: 'Ada' }, { maxAttempts: 1 });
    await expect
      .poll(async () => (await runsOf('greet')).at(-1))
      .toMatchObject({ outcome: 'failed', error: 'the payload has a member "nam"; expected one of name' });
    await expect.poll(() => errors.join()).toContain('the payload has a member "nam"; expected one of name');
    expect(await jobsOf('greet')).toMatchObject([{ attempts: 1, max_attempts: 1 }]);
  });

  test('that fail are recorded, and retried later', async () => {
    await runner.addJob('fail', {}, { maxAttempts: 3 });
    await expect.poll(() => runsOf('fail')).toMatchObject([{ outcome: 'failed', error: 'the disk is full' }]);
    await expect
      .poll(() => jobsOf('fail'))
      .toMatchObject([{ attempts: 1, last_error: 'the disk is full', locked_at: null }]);
  });

  test('with nothing to do leave one recorded run for all of them, and no line in the log', async () => {
    for (let round = 0; round < 5; round += 1) await runner.addJob('look', {});
    await expect.poll(() => jobsOf('look')).toEqual([]);
    expect(await runsOf('look')).toMatchObject([{ outcome: 'succeeded', idle: true }]);
    expect(logged.filter(({ task }) => task === 'look')).toEqual([]);
  });

  test('that find their lock taken are queued again, once for all of them, without losing an attempt', async () => {
    await recordRun(target.database, { task: 'alone', lock: 'alone' }, async () => {
      await runner.addJob('alone', {}, { maxAttempts: 1 });
      await runner.addJob('alone', {}, { maxAttempts: 1 });
      await expect
        .poll(() => logged.filter(({ task }) => task === 'alone'))
        .toMatchObject([{ event: 'job-waits' }, { event: 'job-waits' }]);
      await expect
        .poll(() => jobsOf('alone'))
        .toMatchObject([{ attempts: 0, max_attempts: 1, key: 'wait:alone:alone', last_error: null }]);
    });
    const [waiting] = await jobsOf('alone');
    expect(waiting.run_at.getTime() - Date.now()).toBeGreaterThan(30_000);
    await target.admin.query('select graphile_worker.reschedule_jobs(array[$1::bigint], now())', [
      waiting.id,
    ]);
    await expect
      .poll(async () => (await runsOf('alone')).map(({ note }) => note))
      .toEqual([null, 'was alone']);
  });
});

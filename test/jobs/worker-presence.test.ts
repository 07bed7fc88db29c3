import { EventEmitter } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Logger, makeWorkerUtils } from 'graphile-worker';
import type { WorkerEvents, WorkerUtils } from 'graphile-worker';
import { HeldJobs } from '../../src/jobs/held-jobs.ts';
import { keepPresence, sweepWorkers } from '../../src/jobs/worker-presence.ts';
import type { Repeating } from '../../src/repeat.ts';
import type { LogEntry } from '../../src/log.ts';
import { jobQueue } from '../support/job-queue.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';

describe.each(workerTargets)('the presence of workers (%s)', (_kind, open) => {
  let target: WorkerTarget;
  let queue: WorkerUtils;
  const logged: LogEntry[] = [];
  const log = (entry: LogEntry) => logged.push(entry);
  const present: Repeating[] = [];

  beforeAll(async () => {
    target = await open();
    // As with a database's first worker, the queue does not exist yet.
    await sweepWorkers(target.database, null, log);
    queue = await makeWorkerUtils({ pgPool: target.pool, logger: new Logger(() => () => {}) });
    await queue.migrate();
  });
  afterEach(async () => {
    for (const loop of present.splice(0)) await loop.stop();
    logged.length = 0;
  });
  afterAll(async () => {
    await queue?.release();
    await target?.close();
  });

  const appear = (id: string, held?: HeldJobs) => {
    const loop = keepPresence({
      executor: target.database,
      id,
      jobs: [],
      log,
      everyMs: 50,
      ...(held && { held }),
    });
    present.push(loop);
    return loop;
  };
  const workerOf = async (id: string) =>
    (await target.admin.query('select * from ops.workers where id = $1', [id])).rows[0];
  /** Makes a worker look as if it had been silent for that long. */
  const silence = (id: string, interval: string) =>
    target.admin.query('update ops.workers set seen_at = seen_at - $2::interval where id = $1', [
      id,
      interval,
    ]);
  const jobOf = async (id: string) =>
    (await target.admin.query(`select * from ${jobQueue} j where id = $1`, [id])).rows[0];
  /** A job that a worker has begun. */
  const begun = async (worker: string, maxAttempts = 25) => {
    const { id } = await queue.addJob('work', {}, { maxAttempts, queueName: `q_${worker}` });
    await begin(id, worker);
    return id;
  };
  const begin = async (id: string, worker: string) => {
    await target.admin.query(
      'update graphile_worker._private_jobs set attempts = attempts + 1, locked_by = $2, locked_at = now() where id = $1',
      [id, worker],
    );
    await target.admin.query(
      `update graphile_worker._private_job_queues set locked_by = $1, locked_at = now() where queue_name = 'q_' || $1`,
      [worker],
    );
    await target.admin.query("select ops.begin_run('work', $1, '1 hour', null, '{}', $2)", [worker, id]);
  };
  const runsOf = async (id: string) =>
    (
      await target.admin.query('select outcome from ops.job_runs where job_id = $1 order by id', [id])
    ).rows.map(({ outcome }) => outcome);

  test('gives back jobs whose answer was lost on its way to the worker, and keeps those it works on', async () => {
    const events: WorkerEvents = new EventEmitter();
    const held = new HeldJobs(events);
    const lockedLongAgo = async (queueName: string, maxAttempts: number) => {
      const { id } = await queue.addJob('work', {}, { maxAttempts, queueName });
      await target.admin.query(
        `with job as (
           update graphile_worker._private_jobs
           set attempts = 1, locked_by = 'hal', locked_at = now() - interval '61 seconds'
           where id = $1 returning job_queue_id, locked_at
         )
         update graphile_worker._private_job_queues q set locked_by = 'hal', locked_at = job.locked_at
         from job where q.id = job.job_queue_id`,
        [id],
      );
      return id;
    };
    const stateOf = async (id: string) => {
      const { rows } = await target.admin.query(
        `select j.locked_by, q.locked_by as queue, j.attempts from graphile_worker._private_jobs j
         join graphile_worker._private_job_queues q on q.id = j.job_queue_id where j.id = $1`,
        [id],
      );
      return rows[0];
    };
    const running = await lockedLongAgo('q_running', 25);
    const ended = await lockedLongAgo('q_ended', 25);
    for (const [id, name] of [
      [running, 'job:start'],
      [ended, 'job:start'],
      [ended, 'job:complete'],
    ] as const) {
      events.emit(name, { job: { id } } as never);
    }
    const unheard = await lockedLongAgo('q_unheard', 1);
    appear('hal', held);
    await expect.poll(() => stateOf(unheard)).toEqual({ locked_by: null, queue: null, attempts: 0 });
    expect(logged).toContainEqual(expect.objectContaining({ event: 'job-unheard', job: unheard }));
    for (const id of [running, ended]) {
      expect(await stateOf(id)).toEqual({ locked_by: 'hal', queue: 'hal', attempts: 1 });
    }
    await queue.withPgClient((client) =>
      client.query('delete from graphile_worker._private_jobs where id = any ($1)', [
        [running, ended, unheard],
      ]),
    );
  });

  test('is visible while they live, and says when they have ended', async () => {
    const loop = appear('ada');
    await expect
      .poll(() => workerOf('ada'))
      .toMatchObject({ pid: process.pid, lost_at: null, stopped_at: null });
    const { seen_at: before } = await workerOf('ada');
    await expect.poll(async () => (await workerOf('ada')).seen_at > before).toBe(true);
    await loop.stop();
    present.pop();
    expect((await workerOf('ada')).stopped_at).not.toBeNull();
    // A worker that has ended is not missed.
    await silence('ada', '1 hour');
    await sweepWorkers(target.database, null, log);
    expect(await workerOf('ada')).toMatchObject({ lost_at: null });
  });

  test('is missed after a minute: their runs are abandoned, their jobs and queues free for others', async () => {
    await target.admin.query("select ops.see_worker('bob', 'host', 1, '0')");
    const id = await begun('bob');
    await silence('bob', '50 seconds');
    await sweepWorkers(target.database, null, log);
    expect(await jobOf(id)).toMatchObject({ state: 'running', worker: 'bob' });
    await silence('bob', '15 seconds');
    await sweepWorkers(target.database, null, log);
    expect(await jobOf(id)).toMatchObject({ state: 'waiting', worker: null, attempts: 1 });
    expect(await runsOf(id)).toEqual(['abandoned']);
    expect((await workerOf('bob')).lost_at).not.toBeNull();
    expect(logged).toMatchObject([{ event: 'job-taken-over', level: 'warning', worker: 'bob', job: id }]);
    const { rows } = await target.admin.query(
      "select locked_by from graphile_worker._private_job_queues where queue_name = 'q_bob'",
    );
    expect(rows).toEqual([{ locked_by: null }]);
  });

  test('is required: a worker that holds a job for a minute without a sign of life is dead too', async () => {
    const id = await begun('nobody');
    await sweepWorkers(target.database, null, log);
    expect(await jobOf(id)).toMatchObject({ state: 'running' });
    await target.admin.query(
      "update graphile_worker._private_jobs set locked_at = now() - interval '61 seconds' where id = $1",
      [id],
    );
    await sweepWorkers(target.database, null, log);
    expect(await jobOf(id)).toMatchObject({ state: 'waiting' });
  });

  test('lets a job that is tried once run again after its worker was lost, but not for ever', async () => {
    const id = await begun('poison', 1);
    for (const again of [true, true, true, false]) {
      await target.admin.query("select ops.see_worker('poison', 'host', 1, '0')");
      if ((await jobOf(id)).state !== 'running') await begin(id, 'poison');
      await silence('poison', '2 minutes');
      await sweepWorkers(target.database, null, log);
      expect(await jobOf(id)).toMatchObject({ state: again ? 'waiting' : 'failed', attempts: again ? 0 : 1 });
    }
    expect(logged.map(({ level }) => level)).toEqual(['warning', 'warning', 'warning', 'error']);
  });

  test('is restored when a worker that was taken for dead comes back and is told so', async () => {
    appear('eve');
    await expect.poll(() => workerOf('eve')).toBeDefined();
    await target.admin.query("select ops.lose_workers('{eve}')");
    await expect
      .poll(() => logged)
      .toMatchObject([{ event: 'worker-was-lost', level: 'warning', worker: 'eve' }]);
    await expect.poll(async () => (await workerOf('eve')).lost_at).toBeNull();
  });

  test('continues after an error, with a line in the log', async () => {
    await target.admin.query('alter function ops.see_worker rename to gone');
    appear('fay');
    await expect.poll(() => logged[0]).toMatchObject({ event: 'worker-not-seen', level: 'error' });
    await target.admin.query('alter function ops.gone rename to see_worker');
    await expect.poll(() => workerOf('fay')).toBeDefined();
  });
});

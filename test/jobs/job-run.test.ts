import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Executor } from '../../src/db/database.ts';
import { JobBusy, recordRun, RunLost, RunStopped } from '../../src/jobs/job-run.ts';
import type { JobRun } from '../../src/jobs/job-run.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';

describe.each(workerTargets)('a recorded run (%s)', (_kind, open) => {
  let target: WorkerTarget;
  let database: Executor;

  beforeAll(async () => {
    target = await open();
    database = target.database;
  });
  afterAll(() => target?.close());

  const runsOf = async (task: string) =>
    (await target.admin.query('select * from ops.job_runs where task = $1 order by id', [task])).rows;
  const runOf = async (task: string) => (await runsOf(task)).at(-1);
  /** A run that continues until `end`. Resolves once its work has begun. */
  const begin = async (job: Parameters<typeof recordRun>[1]) => {
    const { promise: ended, resolve: end } = Promise.withResolvers<string>();
    const { promise: begun, resolve: hasBegun } = Promise.withResolvers<JobRun>();
    const result = recordRun(database, job, (run) => {
      hasBegun(run);
      return ended;
    });
    // A caller that awaits `result` sees a rejection; until one does, nobody handles it.
    result.catch(() => {});
    return { run: await Promise.race([begun, result.then(() => Promise.reject())]), end, result };
  };

  test('that is stopped says who asked, however its work ended, and a fault beside the stop stays a fault', async () => {
    const reason = new Error('ended by SIGTERM');
    const end = (error: (signal: AbortSignal) => Promise<unknown>) => {
      const stopping = new AbortController();
      const ended = recordRun(database, { task: 'stopped', signal: stopping.signal }, ({ signal }) => {
        stopping.abort(reason);
        return error(signal);
      });
      return ended.then(
        () => 'ended',
        (error_: Error) => `${error_ instanceof RunStopped ? 'stopped' : 'failed'}: ${error_.message}`,
      );
    };
    const stopped = 'stopped: ended by SIGTERM';
    expect(await end(async (signal) => signal.throwIfAborted())).toBe(stopped);
    expect(await end((signal) => pause(1_000, undefined, { signal }))).toBe(stopped);
    const wrapped = (signal: AbortSignal) =>
      pause(1_000, undefined, { signal }).catch((cause: unknown) => {
        throw new Error('the webhook did not answer', { cause });
      });
    expect(await end(wrapped)).toBe(stopped);
    expect(await runOf('stopped')).toMatchObject({ outcome: 'failed', error: 'ended by SIGTERM' });
    expect(await end(() => Promise.reject(new Error('the disk is full')))).toBe('failed: the disk is full');
    expect(await end(() => Promise.resolve())).toBe('ended');
  });

  test('shows its progress while it runs, and its result', async () => {
    const { run, end, result } = await begin({ task: 'long', details: { table: 'agents' }, leaseMs: 3_000 });
    expect(await runOf('long')).toMatchObject({
      outcome: 'running',
      progress: null,
      note: null,
      details: { table: 'agents' },
      worker: `${hostname()}:${process.pid}`,
      finished_at: null,
    });
    run.progress(0.2, 'at the first');
    run.progress(0.25, 'a quarter');
    await expect
      .poll(() => runOf('long'), { timeout: 3_000 })
      .toMatchObject({ progress: 0.25, note: 'a quarter' });
    run.progress(null, 'nobody knows');
    await expect
      .poll(() => runOf('long'), { timeout: 3_000 })
      .toMatchObject({ progress: 0.25, note: 'nobody knows' });
    run.progress(null, 'at the last');
    end('done');
    expect(await result).toBe('done');
    const row = await runOf('long');
    expect(row).toMatchObject({ outcome: 'succeeded', progress: 1, note: 'at the last', error: null });
    expect(row.finished_at.getTime()).toBeGreaterThanOrEqual(row.started_at.getTime());
  });

  test('that fails records why, and rejects with the error', async () => {
    const failed = recordRun(database, { task: 'failing' }, async ({ progress }) => {
      progress(0.5, 'half');
      throw new TypeError('the disk is full');
    });
    await expect(failed).rejects.toThrow(TypeError);
    expect(await runOf('failing')).toMatchObject({
      outcome: 'failed',
      error: 'the disk is full',
      note: 'half',
      progress: null,
    });
  });

  test('is the only one under its lock, and a refusal names the holder', async () => {
    const first = await begin({ task: 'backup', lock: 'backup:full', worker: 'ada' });
    const second = recordRun(database, { task: 'other', lock: 'backup:full' }, async () => {});
    await expect(second).rejects.toThrow(JobBusy);
    await expect(second).rejects.toThrow(
      /^backup:full is already running: run \d+ of ada, since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
    );
    expect(await runsOf('other')).toEqual([]);
    await recordRun(database, { task: 'other', lock: 'backup:wal' }, async () => {});
    first.end('');
    await first.result;
    await recordRun(database, { task: 'other', lock: 'backup:full' }, async () => {});
  });

  test('is the only one of twenty that ask for a lock at once', async () => {
    let inside = 0;
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () =>
        recordRun(database, { task: 'race', lock: 'race' }, async () => {
          inside += 1;
          expect(inside).toBe(1);
          await pause(300);
          inside -= 1;
        }),
      ),
    );
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused.map((result) => (result.reason as Error).name)).toEqual(refused.map(() => 'JobBusy'));
    expect(refused.length).toBeGreaterThan(0);
    // On a busy machine one may come so late that the first has ended; then it ran alone too.
    expect(results.length - refused.length).toBe((await runsOf('race')).length);
  });

  test('whose process died is abandoned when its lease is over, and its lock is free', async () => {
    const dead = () => target.admin.query("select ops.begin_run('dying', 'dead', '200 ms', 'dying') as id");
    await dead();
    await expect(recordRun(database, { task: 'dying', lock: 'dying' }, async () => {})).rejects.toThrow(
      JobBusy,
    );
    await pause(250);
    await recordRun(database, { task: 'dying', lock: 'dying' }, async () => {});
    expect((await runsOf('dying')).map(({ outcome, error }) => [outcome, error])).toEqual([
      ['abandoned', expect.stringMatching(/^nothing has been heard from dead since /)],
      ['succeeded', null],
    ]);
    await dead();
    await pause(250);
    await target.admin.query('select ops.abandon_runs()');
    expect((await runOf('dying')).outcome).toBe('abandoned');
  });

  test('lives longer than its lease while its process does', async () => {
    const { run, end, result } = await begin({ task: 'living', lock: 'living', leaseMs: 600 });
    run.progress(0.25, 'a quarter');
    run.progress(null, 'somewhere');
    run.progress(0.5, 'half');
    await pause(1_500);
    expect(await runOf('living')).toMatchObject({ outcome: 'running', progress: 0.5, note: 'half' });
    await expect(recordRun(database, { task: 'living', lock: 'living' }, async () => {})).rejects.toThrow(
      JobBusy,
    );
    end('');
    await result;
  });

  test('that was taken for dead is told to stop, and does not change its successor', async () => {
    const first = await begin({ task: 'twice', lock: 'twice', leaseMs: 600 });
    await target.admin.query(
      "update ops.job_runs set lease_until = now() - interval '1 second' where task = 'twice'",
    );
    const second = await begin({ task: 'twice', lock: 'twice', worker: 'second' });
    await expect.poll(() => first.run.signal.aborted, { timeout: 3_000 }).toBe(true);
    expect(first.run.signal.reason).toBeInstanceOf(RunLost);
    first.end('I ended well');
    await expect(first.result).rejects.toThrow(/^run \d+ of twice is lost: it was taken for dead$/);
    expect((await runsOf('twice')).map(({ outcome, worker }) => [outcome, worker === 'second'])).toEqual([
      ['abandoned', false],
      ['running', true],
    ]);
    second.end('');
    await second.result;
  });

  test('that cannot renew its lease is told to stop before another may begin', async () => {
    let away = false;
    const flaky: Executor = {
      query: (statement) => (away ? Promise.reject(new Error('the line is cut')) : database.query(statement)),
    };
    const result = recordRun(flaky, { task: 'cut', lock: 'cut', leaseMs: 600 }, async ({ signal }) => {
      away = true;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      const { lease_until } = await runOf('cut');
      expect(lease_until.getTime()).toBeGreaterThan(Date.now() - 200);
      away = false;
      signal.throwIfAborted();
    });
    await expect(result).rejects.toThrow(/could not be renewed for 600 ms: the line is cut$/);
    expect((await runOf('cut')).outcome).toBe('failed');
  });

  test('succeeds although the connection is cut for a moment at its end', async () => {
    let cuts = 2;
    const flaky: Executor = {
      query: (statement) => {
        if (!statement.text.includes('end_run') || cuts === 0) return database.query(statement);
        cuts -= 1;
        // Only the answer to the second statement is lost.
        return (cuts === 0 ? database.query(statement) : Promise.resolve()).then(() =>
          Promise.reject(new Error('the line is cut')),
        );
      },
    };
    await recordRun(flaky, { task: 'blip', leaseMs: 2_000 }, async () => {});
    expect(cuts).toBe(0);
    expect((await runOf('blip')).outcome).toBe('succeeded');
  });

  test('hears a request to end', async () => {
    const stopping = new AbortController();
    const { run, end, result } = await begin({ task: 'asked', signal: stopping.signal });
    stopping.abort(new Error('the worker stops'));
    expect(run.signal.aborted).toBe(true);
    end('');
    await result;
  });

  test('with nothing to do is kept only if it is the newest such run', async () => {
    for (let round = 0; round < 3; round += 1)
      await recordRun(database, { task: 'often' }, async (run) => run.idle());
    await recordRun(database, { task: 'often' }, async ({ progress }) => progress(null, 'removed 3 rows'));
    await recordRun(database, { task: 'often' }, async (run) => run.idle());
    expect((await runsOf('often')).map(({ idle, note }) => [idle, note])).toEqual([
      [false, 'removed 3 rows'],
      [true, null],
    ]);
  });
});

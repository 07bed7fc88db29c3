import { Logger, makeWorkerUtils } from 'graphile-worker';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AlertEvent } from '../../../src/jobs/check-alerts.ts';
import { reportQueue } from '../../../src/jobs/report-queue.ts';
import { sealAll } from '../../support/seal-all.ts';
import { workerTargets } from '../../support/worker-target.ts';
import type { WorkerTarget } from '../../support/worker-target.ts';

describe.each(workerTargets)('alerts (%s)', (kind, open) => {
  let target: WorkerTarget;

  beforeAll(async () => {
    target = await open();
    const queue = await makeWorkerUtils({ pgPool: target.pool, logger: new Logger(() => () => {}) });
    await queue.migrate();
    await queue.release();
  });
  beforeEach(async () => {
    await target.admin.query(
      'truncate ops.alerts, ops.job_runs, ops.workers, ops.job_tasks; delete from graphile_worker._private_jobs',
    );
  });
  afterAll(() => target?.close());

  /** Everything that is wrong now, as the worker sees it. */
  const check = async (): Promise<AlertEvent[]> => {
    await reportQueue(target.database);
    const { rows } = await target.database.query<{ event: AlertEvent }>({
      text: 'select e as event from ops.check_alerts() e',
    });
    return rows.map(({ event }) => event);
  };
  const shortly = ({ event, alert }: AlertEvent) =>
    `${event} ${alert.severity} ${alert.kind} ${alert.subject}`;
  const sql = (query: string, values: unknown[] = []) => target.admin.query(query, values);

  test('are absent while nothing is wrong', async () => {
    expect(await check()).toEqual([]);
    const { rows } = await sql(
      "select count(*)::int as checks from pg_views where schemaname = 'ops' and viewname like 'check\\_%'",
    );
    expect(rows[0].checks).toBeGreaterThanOrEqual(6);
  });

  test('report a backup that is overdue, gone or was never made, but not while one is being made', async () => {
    await sql(`insert into ops.job_tasks (task, does, schedule, every, expected)
      values ('back_up', 'backs up', '13 2 * * *', '1 day', '6 hours')`);
    // A job that succeeds is not a backup.
    await sql(`insert into ops.job_runs (task, worker, outcome, lease_until, finished_at)
      values ('back_up', 'w', 'succeeded', now(), now())`);
    const [never] = await check();
    expect(never!.text).toMatch(/^error backups: no backup was ever made: lightning backup makes one now/);
    await sql(`insert into ops.job_runs (task, worker, outcome, lease_until)
      values ('back_up', 'w', 'running', now() + interval '1 minute')`);
    expect((await check()).map(shortly)).toEqual(['resolved error backups backups']);
    await sql(`truncate ops.job_runs`);
    // A worker that has just started has not checked yet, and without a store no backup is expected.
    await sql(`insert into ops.workers (id, host, pid, version) values ('w', 'h', 1, '0')`);
    expect(await check()).toEqual([]);
    await sql(`truncate ops.workers`);
    await sql(`update ops.job_tasks set every = null, schedule = null`);
    expect(await check()).toEqual([]);
    await sql(`update ops.job_tasks set every = '1 day', schedule = '13 2 * * *'`);
    const record = (backups: object[]) => sql('select ops.record_backups($1)', [JSON.stringify(backups)]);
    const backup = (id: string, hoursAgo: number) => {
      const at = new Date(Date.now() - hoursAgo * 3_600_000).toISOString();
      const counts = { objects: 1, bytes: 1, storedBytes: 1 };
      return { id, kind: 'full', parentId: null, startedAt: at, endedAt: at, ...counts, manifestSha256: 'x' };
    };
    await record([backup('old', 31)]);
    const [overdue, ...others] = await check();
    expect(others).toEqual([]);
    expect(overdue!.text).toMatch(
      /^error backups: the newest backup ended at \S+Z, and one is due every 1 day/,
    );
    await record([backup('old', 31), backup('new', 29)]);
    expect((await check()).map(shortly)).toEqual(['resolved error backups backups']);
    await record([]);
    const [gone] = await check();
    expect(gone!.text).toMatch(/no backup is left/);
    await sql('truncate ops.backups, ops.job_tasks');
    expect((await check()).map(shortly)).toEqual(['resolved error backups backups']);
  });

  test('report a job that failed for good, until it is removed', async () => {
    const { rows } = await sql("select id from graphile_worker.add_job('gone', max_attempts => 1)");
    await sql("update graphile_worker._private_jobs set attempts = 1, last_error = 'no such task'");
    const [event, ...others] = await check();
    expect(others).toEqual([]);
    expect(event).toMatchObject({
      event: 'raised',
      text: 'error dead_jobs: 1 job of gone failed for good, the last with: no such task',
      alert: {
        kind: 'dead_jobs',
        subject: 'gone',
        severity: 'error',
        details: { jobs: [Number(rows[0].id)] },
      },
    });
    // The alert is sent once, and shown for as long as it lasts.
    expect(await check()).toEqual([]);
    const { rows: alerts } = await sql(
      'select last_seen_at > raised_at as seen, resolved_at from ops.alerts',
    );
    expect(alerts).toEqual([{ seen: true, resolved_at: null }]);
    await sql('delete from graphile_worker._private_jobs');
    expect((await check()).map(shortly)).toEqual(['resolved error dead_jobs gone']);
    expect((await sql('select from ops.alerts where resolved_at is null')).rowCount).toBe(0);
  });

  test('of a scheduled job end with its next success', async () => {
    await sql(
      `select ops.set_job_tasks('[{"task": "often", "does": "x", "schedule": "* * * * *", "every": "1 minute", "expected": "1 minute"}]')`,
    );
    await sql("select graphile_worker.add_job('often', max_attempts => 1)");
    await sql('update graphile_worker._private_jobs set attempts = 1');
    expect((await check()).map(shortly)).toEqual(['raised error dead_jobs often']);
    await sql("select ops.end_run(ops.begin_run('often', 'w', '1 minute'))");
    expect((await check()).map(shortly)).toEqual(['resolved error dead_jobs often']);
  });

  test('report a run that takes too long, as a warning while it progresses and an error otherwise', async () => {
    const { rows } = await sql("select ops.begin_run('slow', 'w', '1 hour') as id");
    const letPass = (interval: string) =>
      sql(
        'update ops.job_runs set started_at = started_at - $1::interval, progressed_at = progressed_at - $1::interval',
        [interval],
      );
    await letPass('50 minutes');
    expect(await check()).toEqual([]);
    await letPass('11 minutes');
    await sql("select ops.renew_run($1, '1 hour', 0.5, 'half')", [rows[0].id]);
    const [event] = await check();
    expect(event?.text).toMatch(
      /^warning stuck_runs: slow has been running since \S+ on w and should take at most 01:00:00; its last report: half$/,
    );
    // A heartbeat is not progress.
    await letPass('11 minutes');
    await sql("select ops.renew_run($1, '1 hour')", [rows[0].id]);
    expect((await check()).map(shortly)).toEqual([`changed error stuck_runs slow, run ${rows[0].id}`]);
    await sql("select ops.end_run($1, 'it was stopped')", [rows[0].id]);
    expect((await check()).map(shortly)).toEqual([`resolved error stuck_runs slow, run ${rows[0].id}`]);
  });

  test('report a scheduled job that does not succeed in time, counted from when a worker ran', async () => {
    await sql(
      `select ops.set_job_tasks('[{"task": "hourly", "does": "x", "schedule": "7 * * * *", "every": "1 hour", "expected": "1 minute"}]')`,
    );
    await sql("select ops.see_worker('w', 'host', 1, '0')");
    await sql("update ops.job_tasks set known_since = now() - interval '1 day'");
    // A template is as old as the run of the tests; a worker that long at work would have sealed its log.
    await target.admin.query(
      "update audit.sealing set seen_at = now() - interval '1 hour', sealed_through = now() - interval '1 hour'",
    );
    await sealAll(target.database, target.admin);
    expect(await check()).toEqual([]);
    await sql("update ops.workers set started_at = now() - interval '69 minutes'");
    expect(await check()).toEqual([]);
    await sql("update ops.workers set started_at = now() - interval '71 minutes'");
    await sql("select ops.end_run(ops.begin_run('hourly', 'w', '1 minute'), 'the disk is full')");
    const [event, ...others] = await check();
    expect(others).toEqual([]);
    expect(event?.text).toMatch(
      /^error late_jobs: hourly should succeed every 01:00:00 and has not since \S+; the last failure: the disk is full$/,
    );
    await sql("select ops.end_run(ops.begin_run('hourly', 'w', '1 minute'), idle => true)");
    expect((await check()).map(shortly)).toEqual(['resolved error late_jobs hourly']);
    await sql("update ops.job_runs set finished_at = finished_at - interval '86 minutes'");
    expect((await check()).map(shortly)).toEqual(['raised error late_jobs hourly']);
  });

  test('report a worker that was taken for dead, for an hour', async () => {
    await sql("select ops.see_worker('w', 'host', 17, '0'), ops.lose_workers('{w}')");
    const [event] = await check();
    expect(event?.text).toMatch(
      /^warning lost_workers: worker w \(process 17 on host\) was last seen at \S+; its jobs/,
    );
    await sql("update ops.workers set lost_at = now() - interval '61 minutes'");
    expect((await check()).map(shortly)).toEqual(['resolved warning lost_workers w']);
  });

  // The SQL is the same there, and dropping tables is what takes time.
  test.skipIf(kind === 'embedded')('report partitions that end soon, or have ended', async () => {
    const { rows } = await sql(
      `select c.oid::regclass::text as name, to_char(now() at time zone 'UTC', 'YYYYMMDD') as today
       from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = 'app_public.metrics'::regclass and c.relname > 'metrics_p' || to_char(now() + interval '5 days', 'YYYYMMDD')
       order by 1 desc`,
    );
    expect(rows.length).toBeGreaterThan(5);
    await sql('begin');
    for (const { name } of rows) await sql(`drop table ${name}`);
    await sql('commit');
    expect((await check()).map(shortly)).toEqual(['raised warning partition_horizon app_public.metrics']);
    await sql(`drop table app_public.metrics_p${rows[0].today}`);
    const [event] = await check();
    expect(event?.text).toBe(
      'error partition_horizon: app_public.metrics has no partition for the current time: writes are refused',
    );
    await sql('select ops.ensure_partitions()');
    expect((await check()).map(shortly)).toEqual(['resolved error partition_horizon app_public.metrics']);
  });

  test('report an outbox that is not trimmed', async () => {
    await sql(
      "insert into app_private.events (tenant_id, topic, operation, at) values ('default', 'tasks', 'insert', now() - interval '3 hours')",
    );
    expect((await check()).map(shortly)).toEqual(['raised warning untrimmed_events app_private.events']);
    await sql('delete from app_private.events');
    expect((await check()).map(shortly)).toEqual(['resolved warning untrimmed_events app_private.events']);
  });

  test('report a check that fails, and the other checks still run', async () => {
    await sql('create view ops.check_broken as select 1 / (select 0) as subject');
    await sql("select ops.see_worker('w', 'host', 17, '0'), ops.lose_workers('{w}')");
    expect((await check()).map(({ text: said }) => said)).toEqual([
      expect.stringMatching(/^warning lost_workers/),
      expect.stringMatching(/^error checks: ops.check_broken failed: /),
    ]);
    await sql('drop view ops.check_broken');
    expect((await check()).map(shortly)).toEqual(['resolved error checks check_broken']);
  });
});

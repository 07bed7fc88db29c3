import { runMigrations } from 'graphile-worker';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { lookAfterStart, scheduleBackups } from '../../src/jobs/schedule-backups.ts';
import { jobQueue } from '../support/job-queue.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';

// A Wednesday, after the time of the daily backup.
const now = new Date('2026-01-07T12:00:00Z');
const server = { buildsOnEarlier: true };

describe.each(workerTargets)('beginning backups and drills that are due (%s)', (_kind, open) => {
  let target: WorkerTarget;
  beforeAll(async () => {
    target = await open();
    await runMigrations({ pgPool: target.pool });
  });
  afterAll(() => target?.close());
  beforeEach(async () => {
    await target.admin.query('delete from graphile_worker._private_jobs');
    await target.admin.query('truncate ops.backups');
    await target.admin.query('truncate ops.drills');
  });

  const queued = async () =>
    (await target.admin.query<{ task: string }>(`select task from ${jobQueue} order by task`)).rows.map(
      ({ task }) => task,
    );
  const backUp = (kind: string, at: string) =>
    target.admin.query(
      `insert into ops.backups (id, kind, started_at, ended_at, objects, bytes, stored_bytes, manifest_sha256)
       values ($1, $2, $3::timestamptz, $3::timestamptz, 1, 1, 1, 'x')`,
      [`${kind} ${at}`, kind, at],
    );

  test('queues a full backup where there is none, once, and no drill, which has nothing to prove', async () => {
    expect(await scheduleBackups(target.database, server, now)).toEqual([
      { task: 'back_up', payload: { kind: 'full' } },
    ]);
    expect(await queued()).toEqual(['back_up']);
    expect(await scheduleBackups(target.database, server, now)).toEqual([]);
    expect(await queued()).toEqual(['back_up']);
  });

  test('queues a drill of the backups that no drill has proven, and no backup beside one of today', async () => {
    await backUp('full', '2026-01-07T02:13:00Z');
    expect(await scheduleBackups(target.database, server, now)).toEqual([{ task: 'drill', payload: {} }]);
    expect(await queued()).toEqual(['drill']);
  });

  test('queues a backup that builds on the full one of Sunday, when the newest is of yesterday', async () => {
    await backUp('full', '2026-01-04T02:13:00Z');
    expect(await scheduleBackups(target.database, server, now)).toContainEqual({
      task: 'back_up',
      payload: {},
    });
  });

  test('counts no backup that was removed', async () => {
    await backUp('full', '2026-01-07T02:13:00Z');
    await target.admin.query('update ops.backups set removed_at = now()');
    expect(await scheduleBackups(target.database, server, now)).toEqual([
      { task: 'back_up', payload: { kind: 'full' } },
    ]);
  });

  test('a start queues one look, however many processes start', async () => {
    await lookAfterStart(target.database);
    await lookAfterStart(target.database);
    expect(await queued()).toEqual(['schedule_backups']);
  });
});

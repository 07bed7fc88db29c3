import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LogEntry } from '../../src/log.ts';
import { measureDatabase } from '../../src/monitoring/database-metrics.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';

describe.each(workerTargets)('what the worker measures in the database (%s)', (kind, open) => {
  let target: WorkerTarget;
  beforeAll(async () => {
    target = await open();
    await target.admin.query(`
      insert into app_public.tenants (id, name) values ('acme', 'Acme'), ('globex', 'Globex');
      insert into app_public.tasks (tenant_id, description, priority, run_after) values
        ('acme', 'a', 'high', now() - interval '1 hour'), ('globex', 'b', 'high', now()), ('acme', 'c', 'low', now() + interval '1 day');
      insert into app_public.tasks (tenant_id, id, description, status, priority) values
        ('acme', '00000000-0000-0000-0000-000000000001', 'd', 'running', 'normal');
      insert into app_public.task_leases (tenant_id, task_id, fencing_token, attempt, agent, lease, claimed_at, heartbeat_at, expires_at)
        values ('acme', '00000000-0000-0000-0000-000000000001', 1, 1, 'x', '1 minute', now(), now(), now() - interval '1 minute');
      insert into ops.job_tasks (task, does, schedule, every, expected) values ('back_up', 'backs up', '13 2 * * *', '1 day', '6 hours');
      insert into ops.alerts (kind, subject, severity, message, details) values ('drills', 'backups', 'error', 'wrong', '{}');
      insert into ops.wal_receivers (slot, receiving, kept_bytes, wal_status) values ('one', true, 4096, 'reserved')`);
  }, 90_000);
  afterAll(() => target?.close());

  /** The samples of one look. */
  const look = async (logged: LogEntry[] = [], database = target.database): Promise<readonly string[]> => {
    const registry = new Registry();
    const measure = measureDatabase(registry, database, (entry) => logged.push(entry));
    await measure();
    return (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  };
  const valueOf = (samples: readonly string[], name: string) =>
    Number(
      samples
        .find((line) => line.startsWith(`${name} `))
        ?.split(' ')
        .at(-1),
    );

  test("is read under the worker's login, across tenants and without their names", async () => {
    const logged: LogEntry[] = [];
    const samples = await look(logged);
    expect(logged).toEqual([]);
    expect(
      samples.filter((line) => line.startsWith('lightning_collector_up')).map((line) => line.at(-1)),
    ).toEqual(Array.from({ length: 6 }, () => '1'));
    expect(samples).toEqual(
      expect.arrayContaining([
        'lightning_queue_waiting_tasks{priority="high"} 2',
        'lightning_queue_waiting_tasks{priority="critical"} 0',
        'lightning_queue_delayed_tasks{priority="low"} 1',
        'lightning_queue_leases{priority="normal"} 1',
        'lightning_queue_expired_leases{priority="normal"} 1',
        'lightning_workers 0',
        'lightning_jobs{state="failed"} 0',
        'lightning_job_interval_seconds{job="back_up"} 86400',
        'lightning_alerts_open{kind="drills"} 1',
        'lightning_backup_newest_timestamp_seconds 0',
        'lightning_wal_receiver_kept_bytes{slot="one"} 4096',
      ]),
    );
    expect(valueOf(samples, 'lightning_database_size_bytes')).toBeGreaterThan(1_000_000);
    expect(valueOf(samples, 'lightning_table_size_bytes{table="app_public.tasks"}')).toBeGreaterThan(8_000);
    expect(valueOf(samples, 'lightning_table_size_bytes{table="audit.log"}')).toBeGreaterThan(8_000);
    expect(samples.join('\n')).not.toMatch(/acme|globex/);
    expect(samples.length).toBeLessThan(200);
  });

  test('a task waits from when it was made, however early its tenant says that it may run', async () => {
    await target.admin.query(`
      insert into app_public.tasks (tenant_id, description, priority, run_after) values ('globex', 'e', 'critical', '-infinity')`);
    const samples = await look();
    expect(valueOf(samples, 'lightning_queue_longest_wait_seconds{priority="critical"}')).toBeLessThan(60);
    await target.admin.query("delete from app_public.tasks where priority = 'critical'");
  });

  test('what there is not yet has no value: no drill has not failed', async () => {
    const samples = await look();
    expect(samples.filter((line) => line.startsWith('lightning_drill'))).toEqual([]);
  });

  test('a database that is not there costs no scrape, and is told of once', async () => {
    const logged: LogEntry[] = [];
    const nowhere = {
      ...target.database,
      queryWith: () => Promise.reject(new Error('connect ECONNREFUSED')),
    };
    const samples = await look(logged, nowhere as typeof target.database);
    expect(
      samples.filter((line) => line.startsWith('lightning_collector_up')).map((line) => line.at(-1)),
    ).toEqual(Array.from({ length: 6 }, () => '0'));
    expect(samples.every((line) => line.startsWith('lightning_collector_'))).toBe(true);
    expect(logged).toHaveLength(6);
  });

  test('a database that is silent holds a scrape up for three seconds, and is asked once', async () => {
    let asked = 0;
    const silent = {
      queryWith: () => {
        asked += 1;
        return new Promise<never>(() => {});
      },
    };
    const registry = new Registry();
    const measure = measureDatabase(registry, silent, () => {});
    await Promise.all([measure(), measure()]);
    await measure();
    expect(asked).toBe(1);
    expect(await registry.metrics()).toContain('lightning_collector_up{collector="sizes"} 0');
  });

  test.skipIf(kind === 'embedded')('what is locked is left out, and the rest is there', async () => {
    await target.admin.query('begin; lock table app_public.task_leases in access exclusive mode');
    try {
      const logged: LogEntry[] = [];
      const samples = await look(logged);
      expect(samples).toContain('lightning_collector_up{collector="queue"} 0');
      expect(samples).toContain('lightning_collector_errors_total{collector="queue"} 1');
      expect(samples.filter((line) => line.startsWith('lightning_queue'))).toEqual([]);
      expect(samples).toContain('lightning_collector_up{collector="jobs"} 1');
      expect(logged.map(({ event }) => event)).toContain('metrics-incomplete');
    } finally {
      await target.admin.query('rollback');
    }
  });
});

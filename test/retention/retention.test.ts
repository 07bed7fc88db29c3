import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dryRun } from '../../src/commands/retention.ts';
import { roleName } from '../../src/db/roles.ts';
import { retain } from '../../src/jobs/retain.ts';
import { lightning } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';

const dayMs = 86_400_000;
const today = Math.floor(Date.now() / dayMs) * dayMs;
/** Midday of a day, counted from today. */
const midday = (days: number) => new Date(today + (days + 0.5) * dayMs);

describe.each(workerTargets)('retention, %s', (_kind, open) => {
  let target: WorkerTarget;

  beforeAll(async () => {
    target = await open();
    for (const tenant of ['acme', 'rival'])
      await target.admin.query('select ops.create_tenant($1, $1)', [tenant]);
  }, 60_000);
  afterAll(() => target?.close());

  const run = (now = new Date()) =>
    retain(target.database, now, { signal: new AbortController().signal, progress: () => {} });
  const rows = async (text: string, ...values: unknown[]) => (await target.admin.query(text, values)).rows;
  const count = async (table: string, tenant: string) =>
    (await rows(`select count(*)::int as count from ${table} where tenant_id = $1`, tenant))[0]
      .count as number;
  const session = (tenant: string, token: string, expired: string) =>
    rows(
      `insert into app_public.sessions (tenant_id, user_id, token, expires_at)
       values ($1, 'user', encode(sha256($2::bytea), 'hex'), now() - $3::interval)`,
      tenant,
      token,
      expired,
    );
  const points = (tenant: string, days: number, howMany: number) =>
    rows(
      `insert into app_public.metrics (tenant_id, service_name, metric_name, value, "timestamp")
       select $1, 's', 'm', i, $2::timestamptz + i * interval '1 second' from generate_series(1, $3::int) i`,
      tenant,
      midday(days),
      howMany,
    );
  const setRetention = (policy: string, keep: string | null, tenant: string | null = null) =>
    rows('select ops.set_retention($1, $2, $3)', policy, keep, tenant);

  test('says so when it has nothing to do', async () => {
    expect(await dryRun(target.database, new Date())).toEqual(['nothing would be removed']);
    expect(await run()).toEqual([]);
  });

  test('first says what it would delete, deletes exactly that, and gives a receipt', async () => {
    await session('acme', 'a', '8 days');
    await session('acme', 'b', '6 days');
    await session('rival', 'c', '8 days');
    await setRetention('sessions', '30 days', 'rival');
    const planned = await dryRun(target.database, new Date());
    expect(planned).toEqual([
      expect.stringMatching(/^sessions +acme +before \S+Z +1 rows$/),
      '1 rows would be removed, some of them with 0 partitions',
    ]);
    expect([await count('app_public.sessions', 'acme'), await count('app_public.sessions', 'rival')]).toEqual(
      [2, 1],
    );

    expect(await run()).toEqual(['sessions of acme: 1 rows deleted']);
    expect([await count('app_public.sessions', 'acme'), await count('app_public.sessions', 'rival')]).toEqual(
      [1, 1],
    );
    expect(
      await rows('select policy, tenant_id, row_count::int, partition from ops.retention_receipts'),
    ).toEqual([{ policy: 'sessions', tenant_id: 'acme', row_count: 1, partition: null }]);
    const [logged] = await rows(
      `select tenant_id, operation from audit.log where table_name = 'app_public.sessions' order by id desc limit 1`,
    );
    expect(logged).toEqual({ tenant_id: 'acme', operation: 'delete' });

    await rows(`select ops.reset_retention('sessions', 'rival')`);
    expect(await run()).toEqual(['sessions of rival: 1 rows deleted']);
  });

  test('keeps held rows until the hold ends', async () => {
    await session('acme', 'held', '20 days');
    await rows(
      `insert into ops.retention_holds (policy, tenant_id, held, reason)
       values ('sessions', 'acme', tstzrange(now() - interval '21 days', now() - interval '19 days'), 'imported')`,
    );
    expect(await run()).toEqual([]);
    await rows('delete from ops.retention_holds');
    expect(await run()).toEqual(['sessions of acme: 1 rows deleted']);
  });

  test('removes tasks with their attempts where it is asked to, but not those that a workflow may need', async () => {
    const task = (status: string, workflow: string | null = null) =>
      rows(
        `insert into app_public.tasks (tenant_id, description, status, workflow_id, completed_at)
         values ('acme', 'x', $1, $2, now() - interval '40 days') returning id`,
        status,
        workflow,
      );
    const [workflow] = await rows(
      `insert into app_public.workflows (tenant_id, name) values ('acme', 'flow') returning id`,
    );
    await task('completed');
    await task('pending');
    await task('dead', workflow.id);
    expect(await run()).toEqual([]);
    await setRetention('tasks', '30 days', 'acme');
    expect(await run()).toEqual(['tasks of acme: 1 rows deleted']);
    expect(await rows(`select status from app_public.tasks where tenant_id = 'acme' order by 1`)).toEqual([
      { status: 'dead' },
      { status: 'pending' },
    ]);
  });

  test('removes a partition that no tenant keeps, with a receipt and a log line for each tenant', async () => {
    // Partitions of a time that has gone, which nobody kept yet.
    await rows('select ops.ensure_partitions(0, 0, $1)', midday(-9));
    await rows('delete from ops.metric_floors');
    await points('acme', -9, 3);
    await points('rival', -9, 2);
    const later = new Date();
    const [{ name }] = await rows(
      `select 'app_public.metrics_p' || to_char($1::timestamptz at time zone 'UTC', 'YYYYMMDD') as name`,
      midday(-9),
    );
    const planned = await dryRun(target.database, later);
    expect(planned.filter((line) => line.includes(name))).toEqual([
      expect.stringMatching(/^metrics\.raw +acme .* 3 rows with app_public\.metrics_p\d{8} \(\d+ kB\)$/),
      expect.stringMatching(/^metrics\.raw +rival .* 2 rows with /),
    ]);
    const done = await run(later);
    expect(done).toContain(`${name} removed`);
    expect(await count('app_public.metrics', 'acme')).toBe(0);
    // Everything that was rolled up is still there.
    expect(await rows(`select count::int, sum from app_public.metrics_day where tenant_id = 'acme'`)).toEqual(
      [{ count: 3, sum: 6 }],
    );
    expect(
      await rows(
        `select tenant_id, row_count::int, bytes > 0 as room from ops.retention_receipts where partition = $1 order by 1`,
        name,
      ),
    ).toEqual([
      { tenant_id: 'acme', row_count: 3, room: true },
      { tenant_id: 'rival', row_count: 2, room: true },
    ]);
    expect(
      await rows(
        `select tenant_id, row_count from audit.log where table_name = 'app_public.metrics' and operation = 'delete' order by 1`,
      ),
    ).toEqual([
      { tenant_id: 'acme', row_count: 3 },
      { tenant_id: 'rival', row_count: 2 },
    ]);
    expect(await rows('select from ops.partition_removals')).toEqual([]);
  });

  test('refuses points of a time that is no longer kept, by whichever way they come', async () => {
    await rows(
      `insert into ops.metric_floors (tenant_id, kept_from) values ('acme', $1)
       on conflict (tenant_id) do update set kept_from = excluded.kept_from`,
      new Date(today + 10 * dayMs),
    );
    await expect(points('acme', 9, 1)).rejects.toMatchObject({ code: 'LTM09' });
    await target.admin.query('begin');
    await target.admin.query(
      "select set_config('app.tenant_id', 'acme', true), set_config('role', $1, true)",
      [roleName(testRolePrefix, 'service')],
    );
    const recorded = await rows(`select * from app_public.record_metrics($1)`, {
      service_name: 's',
      metric_name: 'm',
      value: 1,
      timestamp: midday(9).toISOString(),
    });
    await target.admin.query('rollback');
    expect(recorded).toEqual([
      {
        stored: 0,
        rejected: [{ index: 0, reason: expect.stringContaining('outside the range that is kept') }],
      },
    ]);
    await points('rival', 9, 1);
  });

  test.each([
    ['nothing', '1 day', null, 'LTP01', 'policy nothing does not exist'],
    ['sessions', '1 minute', null, 'LTP02', 'sessions cannot be kept for 00:01:00'],
    ['job_runs', '1 day', 'acme', 'LTP03', 'job_runs does not hold data of tenants'],
    [
      'metrics.raw',
      '31 days',
      'acme',
      'LTP04',
      'metrics.raw of acme would be kept for 31 days, but metrics.minute only for 30 days',
    ],
    ['sessions', '1 day', 'nobody', 'LTT02', 'tenant nobody does not exist'],
  ])('%s cannot be kept for %s by %s: %s', async (policy, keep, tenant, code, message) => {
    await expect(setRetention(policy, keep, tenant)).rejects.toMatchObject({ code, message });
  });

  test('a null keeps for ever', async () => {
    await setRetention('metrics.hour', null);
    expect(await rows("select keep from ops.retention_policies where policy = 'metrics.hour'")).toEqual([
      { keep: null },
    ]);
  });

  test("removes old rows of operators' tables, and keeps those that are open or prove the backups", async () => {
    const ago = (days: number) => new Date(Date.now() - days * dayMs);
    await target.admin.query(
      `insert into ops.alerts (kind, subject, severity, message, resolved_at)
       values ('k', 'old', 'error', 'm', $1), ('k', 'young', 'error', 'm', $2), ('k', 'open', 'error', 'm', null)`,
      [ago(366), ago(364)],
    );
    const drill = (days: number, problems: string[]) =>
      rows(
        `insert into ops.drills (started_at, finished_at, backups, compared_tables, compared_rows, restore_time, problems, self_tests)
         values ($1, $1, '{b}', 1, 1, '1 second', $2, '[]')`,
        ago(days),
        problems,
      );
    for (const days of [1000, 900]) await drill(days, []);
    for (const days of [850, 800, 750]) await drill(days, ['red']);
    await target.admin.query(
      `insert into ops.backups (id, kind, started_at, ended_at, objects, bytes, stored_bytes, manifest_sha256, removed_at)
       select id, 'full', $1, $1, 1, 1, 1, 'x', removed_at
       from (values ('gone', $2::timestamptz), ('just gone', $3), ('kept', null)) b(id, removed_at)`,
      [ago(500), ago(400), ago(300)],
    );
    const planned = await dryRun(target.database, new Date());
    const done = await run();
    expect(planned.map((line) => line.replaceAll(/ +/g, ' ').replace(/ - before \S+/, ''))).toEqual([
      'alerts 1 rows',
      'backups 1 rows',
      'drills 3 rows',
      '5 rows would be removed, some of them with 0 partitions',
    ]);
    expect(done).toEqual([
      'alerts of no tenant: 1 rows deleted',
      'backups of no tenant: 1 rows deleted',
      'drills of no tenant: 3 rows deleted',
    ]);
    expect((await rows('select subject from ops.alerts order by id')).map(({ subject }) => subject)).toEqual([
      'young',
      'open',
    ]);
    // The newest drill remains, and the newest one that passed.
    expect((await rows('select passed from ops.drills order by id')).map(({ passed }) => passed)).toEqual([
      true,
      false,
    ]);
    expect((await rows('select id from ops.backups order by id')).map(({ id }) => id)).toEqual([
      'just gone',
      'kept',
    ]);
  });

  test('reports a short horizon of partitions', async () => {
    const horizons = () => rows('select parent, short from ops.partition_horizons order by 1');
    expect(await horizons()).toEqual(
      ['app_public.metrics', 'app_public.metrics_hour', 'app_public.metrics_minute', 'audit.log'].map(
        (parent) => ({
          parent,
          short: false,
        }),
      ),
    );
    await target.admin.query('begin');
    const [{ name }] = await rows(
      `select 'app_public.metrics_minute_p' || to_char($1::timestamptz at time zone 'UTC', 'YYYYMMDD') as name`,
      midday(2),
    );
    await target.admin.query(`drop table ${name}`);
    expect((await horizons()).filter(({ short }) => short)).toEqual([
      { parent: 'app_public.metrics_minute', short: true },
    ]);
    await target.admin.query('rollback');
  });

  test('is a command with a dry run', async () => {
    await session('acme', 'cli', '9 days');
    const dry = await lightning(['retention', '--dry-run'], target.env);
    expect([dry.status, dry.stdout]).toEqual([
      0,
      expect.stringMatching(/^sessions +acme .* 1 rows\n1 rows would be removed/),
    ]);
    expect(await count('app_public.sessions', 'acme')).toBe(2);
    const done = await lightning(['retention'], target.env);
    expect([done.status, done.stdout]).toEqual([0, 'sessions of acme: 1 rows deleted\n']);
    expect(await rows(`select outcome from ops.job_runs where task = 'retention'`)).toEqual([
      { outcome: 'succeeded' },
    ]);
    const status = await lightning(['status'], target.env);
    expect(status.stdout).toMatch(/^ok {3}partitions .* has the fewest ahead: \d+ days$/m);
  }, 60_000);
});

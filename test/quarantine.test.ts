import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { makeEmbed } from '../src/embeddings/embedding-client.ts';
import type { AlertEvent } from '../src/jobs/check-alerts.ts';
import { embedKnowledge } from '../src/jobs/embed-knowledge.ts';
import { reapLeases } from '../src/jobs/reap-leases.ts';
import { retain } from '../src/jobs/retain.ts';
import { rollUpMetrics } from '../src/retention/roll-up-metrics.ts';
import { tendWorkflows } from '../src/jobs/tend-workflows.ts';
import { answerJson, embeddingOf, startEmbeddingsServer } from './support/embeddings-server.ts';
import type { EmbeddingsServer } from './support/embeddings-server.ts';
import { compareRollup } from './support/rollup-differences.ts';
import { workerTargets } from './support/worker-target.ts';
import type { WorkerTarget } from './support/worker-target.ts';

/** The tenant whose values make a job fail, and the tenant whose values must be processed nevertheless. */
const [poisoned, healthy] = ['poisoned', 'healthy'];

/** Midnight of yesterday: the whole day is over, and its partitions exist. */
const day = new Date(Math.floor(Date.now() / 86_400_000) * 86_400_000 - 86_400_000);
const at = (seconds: number) => new Date(day.getTime() + seconds * 1000);
const { signal } = new AbortController();

describe.each(workerTargets)('an item of one tenant that a job cannot process, %s', (_kind, open) => {
  let target: WorkerTarget;

  beforeAll(async () => {
    target = await open();
    for (const tenant of [poisoned, healthy])
      await target.admin.query('select ops.create_tenant($1, $1)', [tenant]);
  }, 60_000);
  afterEach(async () => {
    await target.admin.query('delete from ops.quarantined_items');
    await alerts();
  });
  afterAll(() => target?.close());

  const rows = async <Row = Record<string, unknown>>(text: string, ...values: unknown[]): Promise<Row[]> =>
    (await target.admin.query<Row & object>(text, values)).rows;
  /** The quarantined items, as job, tenant and error code. */
  const setAside = async () =>
    (
      await rows<{ line: string }>(
        `select format('%s %s %s', task, tenant_id, code) as line from ops.quarantined_items order by item`,
      )
    ).map(({ line }) => line);
  /** The alerts about quarantined items that the next check raises. */
  const alerts = async () =>
    (await rows<{ event: AlertEvent }>('select e as event from ops.check_alerts() e'))
      .filter(({ event }) => event.alert.kind === 'quarantined_items')
      .map(({ event }) => event.text);
  /** Ends the pause before the next try. */
  const isDue = () => rows("update ops.quarantined_items set retry_at = now() - interval '1 second'");

  /** A claimed task whose lease has expired. */
  const expiredLease = async (tenant: string, howMany = 1) => {
    await rows(
      `with made as (
         insert into app_public.tasks (tenant_id, description, status, attempt) select $1, 'x', 'running', 1
         from generate_series(1, $2::int) returning tenant_id, id
       )
       insert into app_public.task_leases
         (tenant_id, task_id, fencing_token, attempt, agent, lease, claimed_at, heartbeat_at, expires_at)
       select tenant_id, id, 1, 1, 'a', '1 minute', now(), now(), now() - interval '1 hour' * random() from made`,
      tenant,
      howMany,
    );
  };
  /** Makes ending each of a tenant's leases fail: the attempt that it would record already exists. */
  const spoilLeases = (tenant: string) =>
    rows(
      `insert into app_public.task_attempts (tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome)
       select tenant_id, task_id, attempt, 99, agent, claimed_at, claimed_at, 'released' from app_public.task_leases
       where tenant_id = $1`,
      tenant,
    );
  const statuses = async (tenant: string) =>
    (
      await rows<{ line: string }>(
        "select status || ' ' || count(*) as line from app_public.tasks where tenant_id = $1 group by status order by 1",
        tenant,
      )
    ).map(({ line }) => line);

  test('does not stop the rollups of others, is reported to operators, and is tried again until it succeeds', async () => {
    const points = (tenant: string, seconds: number, value: string) =>
      rows(
        `insert into app_public.metrics (tenant_id, service_name, metric_name, value, "timestamp")
         select $1, 's', 'm', $2::float8, $3::timestamptz + i * interval '1 second' from generate_series(1, 2) i`,
        tenant,
        value,
        at(seconds),
      );
    // The check refuses a sketch with an invalid bucket, so no request can write one.
    await rows('alter table app_public.metrics drop constraint metrics_value_check');
    await points(poisoned, 600, 'Infinity');
    await points(poisoned, 900, '3');
    for (const seconds of [600, 900, 5_000]) await points(healthy, seconds, '7');

    expect(await rollUpMetrics(target.database, { until: at(86_400), signal })).toEqual({
      minutes: 3,
      hours: 2,
      days: 1,
    });
    for (const resolution of ['minute', 'hour', 'day'] as const)
      expect(
        await rows(
          `select bucket, count::int, sum from app_public.metrics_${resolution} where tenant_id = $1 order by 1`,
          healthy,
        ),
      ).toEqual(
        {
          minute: [600, 900, 4_980].map((s) => ({ bucket: at(s), count: 2, sum: 14 })),
          hour: [0, 3_600].map((s, i) => ({ bucket: at(s), count: i === 0 ? 4 : 2, sum: i === 0 ? 28 : 14 })),
          day: [{ bucket: day, count: 6, sum: 42 }],
        }[resolution],
      );
    expect(await rows('select sum from app_public.metrics_minute where tenant_id = $1', poisoned)).toEqual([
      { sum: 6 },
    ]);
    expect(await setAside()).toEqual([`roll_up_metrics ${poisoned} 22003`]);
    expect(await alerts()).toEqual([
      expect.stringMatching(
        /^error quarantined_items: roll_up_metrics has set aside an item of tenant poisoned since \S+: minute \S+ 00:10Z failed with 22003$/,
      ),
    ]);

    // The item is tried again only when its pause is over, and each pause is longer.
    await rollUpMetrics(target.database, { until: at(86_400), signal });
    expect(await rows('select failures from ops.quarantined_items')).toEqual([{ failures: 1 }]);
    await isDue();
    await rollUpMetrics(target.database, { until: at(86_400), signal });
    expect(
      await rows(
        "select failures, retry_at - last_failed_at > interval '90 seconds' as longer from ops.quarantined_items",
      ),
    ).toEqual([{ failures: 2, longer: true }]);

    await rows("delete from app_public.metrics where value = 'Infinity'");
    await isDue();
    await rollUpMetrics(target.database, { until: at(86_400), signal });
    expect(await setAside()).toEqual([]);
    expect(await alerts()).toEqual([
      expect.stringMatching(/^resolved quarantined_items: roll_up_metrics has set aside/),
    ]);
    expect(await rows('select from ops.metric_changes')).toEqual([]);
    expect(await compareRollup(target.admin, 'hour', { until: at(86_400).toISOString() })).toMatchObject({
      different: 0,
    });
    await rows('delete from app_public.metrics');
    await rows(
      "alter table app_public.metrics add constraint metrics_value_check check (value > '-Infinity' and value < 'Infinity')",
    );
  });

  test("does not stop the removal of everybody's points", async () => {
    await rows(
      `insert into ops.metric_changes (resolution, tenant_id, bucket) values ('minute', $1, $2), ('day', $1, $2)`,
      poisoned,
      at(0),
    );
    const cutoff = async () =>
      (
        await rows<{ at: Date }>(
          "select older_than as at from ops.retention_cutoffs($1) where policy = 'metrics.minute' and tenant_id = $2",
          at(86_400 * 60),
          poisoned,
        )
      )[0]?.at;
    const closed = async () =>
      (await rows<{ open: number }>('select ops.close_metric_floors() as open'))[0]?.open;
    await rows('insert into ops.metric_floors (tenant_id, kept_from) values (null, $1)', at(86_400));
    expect(await closed()).toBe(1);
    await rows(
      `insert into ops.quarantined_items (task, tenant_id, item, code, reason)
       select 'roll_up_metrics', $1, ops.metric_item(r, $2), '22003', 'x' from unnest('{minute,day}'::text[]) r`,
      poisoned,
      at(0),
    );
    expect(await closed()).toBe(0);
    expect(await cutoff()).toEqual(at(86_400));
    await rows('delete from ops.metric_floors');
    await rows('delete from ops.metric_changes');
  });

  test("does not stop the recovery of another tenant's leases", async () => {
    for (const tenant of [poisoned, healthy]) await expiredLease(tenant, 3);
    await spoilLeases(poisoned);
    expect(await reapLeases(target.database, signal)).toBe(3);
    expect(await statuses(healthy)).toEqual(['pending 3']);
    expect(await statuses(poisoned)).toEqual(['running 3']);
    expect(await setAside()).toEqual(Array(3).fill(`reap_leases ${poisoned} 23505`));
    expect(await alerts()).toEqual([
      expect.stringMatching(/^error quarantined_items: reap_leases has set aside 3 items of tenant poisoned/),
    ]);
    await rows('delete from app_public.task_attempts where fencing_token = 99');
    expect(await reapLeases(target.database, signal)).toBe(0);
    await isDue();
    expect(await reapLeases(target.database, signal)).toBe(3);
    expect(await setAside()).toEqual([]);
    await rows('delete from app_public.tasks');
  });

  test('does not stop others when a tenant has more expired leases than one run takes', async () => {
    await expiredLease(poisoned, 50);
    await expiredLease(healthy, 1);
    await rows(
      "update app_public.task_leases set expires_at = now() - interval '1 second' where tenant_id = $1",
      healthy,
    );
    const [{ count }] = (await rows<{ count: number }>('select ops.reap_expired_leases(4) as count')) as [
      { count: number },
    ];
    expect(count).toBe(4);
    expect(await statuses(healthy)).toEqual(['pending 1']);
    await rows('delete from app_public.tasks');
  });

  test("does not stop another tenant's step from timing out", async () => {
    for (const tenant of [poisoned, healthy]) {
      await expiredLease(tenant);
      await rows(
        `with flow as (
           insert into app_public.workflows (tenant_id, name, status, started_at) values ($1, 'x', 'draft', null)
           returning tenant_id, id
         ), task as (
           update app_public.task_leases l set expires_at = now() + interval '1 hour' from flow
           where l.tenant_id = flow.tenant_id returning l.tenant_id, l.task_id
         )
         insert into app_public.workflow_steps
           (tenant_id, workflow_id, key, position, depends_on, on_failure, definition, status, task_id, timeout_at)
         select flow.tenant_id, flow.id, 'a', 1, '{}', 'fail', '{"key": "a", "timeout": "1 minute"}', 'running', task.task_id,
           now() - interval '1 minute'
         from flow, task`,
        tenant,
      );
    }
    await rows('alter table app_public.workflows disable trigger user');
    await rows("update app_public.workflows set status = 'running', started_at = now()");
    await rows('alter table app_public.workflows enable trigger user');
    await rows('alter table app_public.tasks disable trigger user');
    await rows(
      `update app_public.tasks t set workflow_id = s.workflow_id, step_key = s.key from app_public.workflow_steps s
       where s.task_id = t.id`,
    );
    await rows('alter table app_public.tasks enable trigger user');
    await spoilLeases(poisoned);
    expect(await tendWorkflows(target.database, signal)).toBe(1);
    expect(await rows('select tenant_id, status from app_public.workflows order by 1')).toEqual([
      { tenant_id: healthy, status: 'failed' },
      { tenant_id: poisoned, status: 'running' },
    ]);
    expect(await setAside()).toEqual([`tend_workflows ${poisoned} 23505`]);
    await rows('delete from app_public.task_attempts');
    await isDue();
    expect(await tendWorkflows(target.database, signal)).toBe(1);
    expect(await setAside()).toEqual([]);
    await rows('delete from app_public.workflows');
    await rows('delete from app_public.tasks');
  });

  test("does not stop retention from removing another tenant's rows", async () => {
    for (const tenant of [poisoned, healthy])
      await rows(
        `insert into app_public.tasks (tenant_id, description, status, created_at, completed_at)
         values ($1, 'x', 'completed', now() - interval '9 days', now() - interval '9 days')`,
        tenant,
      );
    // A table that a user adds, which this code does not know.
    await rows(
      `create table app_public.invoices (tenant_id text, task_id uuid,
         foreign key (tenant_id, task_id) references app_public.tasks (tenant_id, id))`,
    );
    await rows(
      'insert into app_public.invoices select tenant_id, id from app_public.tasks where tenant_id = $1',
      poisoned,
    );
    await rows("select ops.set_retention('tasks', '1 day', id) from app_public.tenants");
    const progress = { signal, progress: () => {} };
    expect(await retain(target.database, new Date(), progress)).toEqual([
      `tasks of ${healthy}: 1 rows deleted`,
    ]);
    expect(await setAside()).toEqual([`retention ${poisoned} 23503`]);
    await rows('drop table app_public.invoices');
    await isDue();
    expect(await retain(target.database, new Date(), progress)).toEqual([
      `tasks of ${poisoned}: 1 rows deleted`,
    ]);
    expect(await setAside()).toEqual([]);
    await rows('delete from ops.retention_overrides');
  });

  test('is not caused by a retention period that reaches before all time, which is refused', async () => {
    await expect(
      rows("select ops.set_retention('tasks', '100000 years', $1)", poisoned),
    ).rejects.toMatchObject({ code: 'LTP02' });
  });

  describe('embedding knowledge', () => {
    let server: EmbeddingsServer;
    /** Answers a request that has a text with the word "poison" in it. */
    let spoil: (response: Parameters<typeof answerJson>[0], input: readonly string[]) => void;
    beforeAll(async () => {
      server = await startEmbeddingsServer();
    });
    afterEach(() => rows('delete from app_public.knowledge'));
    afterAll(() => server?.close());

    const run = async () => {
      server.requests.length = 0;
      server.next.length = 0;
      for (let i = 0; i < 200; i += 1)
        server.next.push((response, { input }) => {
          if (!input.some((text) => text.includes('poison'))) return false;
          spoil(response, input);
          return true;
        });
      const embed = makeEmbed(
        { url: server.url, model: 'm', apiKey: null },
        { attempts: 1, timeoutMs: 5_000, firstPauseMs: 1 },
      );
      return embedKnowledge(target.database, (texts, stop) => embed(texts, stop), signal);
    };
    const insert = (tenant: string, howMany: number, content: string) =>
      rows(
        `insert into app_public.knowledge (tenant_id, id, content)
         select $1, $2 || ' ' || i, $2 || ' ' || i from generate_series(1, $3::int) i`,
        tenant,
        content,
        howMany,
      );

    test.each([
      ['fails over', 'unavailable', (response) => answerJson(response, 500, {})],
      [
        'embeds as nothing',
        'unusable',
        (response, input) =>
          answerJson(response, 200, {
            data: input.map((text) => ({
              embedding: text.includes('poison') ? Array(1536).fill(0) : embeddingOf(text),
            })),
          }),
      ],
      [
        'embeds as what no vector holds',
        'unusable',
        (response, input) =>
          answerJson(response, 200, {
            data: input.map((text) => ({
              embedding: text.includes('poison') ? Array(1536).fill(1e39) : embeddingOf(text),
            })),
          }),
      ],
    ] satisfies [string, string, typeof spoil][])(
      'goes on when the endpoint %s one text: the others are embedded, and it is tried again',
      async (_, code, answer) => {
        spoil = answer;
        await insert(poisoned, 1, 'poison');
        await insert(poisoned, 3, 'good');
        await insert(healthy, 3, 'good');
        expect(await run()).toEqual({ embedded: 6, refused: 0 });
        expect(await setAside()).toEqual([`embed_knowledge ${poisoned} ${code}`]);
        expect(await run()).toEqual({ embedded: 0, refused: 0 });
        expect(server.requests).toEqual([]);
        await isDue();
        spoil = (response, input) =>
          answerJson(response, 200, { data: input.map((text) => ({ embedding: embeddingOf(text) })) });
        expect(await run()).toEqual({ embedded: 1, refused: 0 });
        expect(await setAside()).toEqual([]);
      },
    );

    test("isolates a few of a tenant's texts per run, and embeds everybody else's", async () => {
      spoil = (response) => answerJson(response, 500, {});
      await insert(poisoned, 30, 'poison');
      await insert(healthy, 40, 'good');
      expect(await run()).toEqual({ embedded: 40, refused: 0 });
      expect(await setAside()).toHaveLength(5);
    });

    test('blames no text while the endpoint embeds nothing at all', async () => {
      await insert(healthy, 3, 'good');
      await server.close();
      await expect(run()).rejects.toMatchObject({ reason: 'unavailable' });
      expect(await setAside()).toEqual([]);
    });
  });
});

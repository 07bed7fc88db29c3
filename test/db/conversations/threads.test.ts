import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sql } from '../../../src/db/statement.ts';
import { workerTargets } from '../../support/worker-target.ts';
import type { WorkerTarget } from '../../support/worker-target.ts';

const days = (count: number) => new Date(Date.now() - count * 86_400_000);

describe.each(workerTargets)('threads (%s)', (kind, open) => {
  let target: WorkerTarget;

  beforeAll(async () => {
    target = await open();
    await target.admin.query("select ops.create_tenant('acme', 'Acme')");
    await target.admin.query("select ops.set_retention('threads', '30 days', 'acme')");
  });
  afterAll(() => target?.close());

  const fill = (title: string, lastMessageAt: Date, messages: number) =>
    target.admin.query(
      `with t as (
         insert into app_public.threads (tenant_id, title, version, last_message_at, created_at)
         values ('acme', $1, $3, $2, $4) returning tenant_id, id
       )
       insert into app_public.messages (tenant_id, thread_id, number, role, content)
       select tenant_id, id, n, 'user', 'x' from t, generate_series(1, $3::integer) n`,
      [title, lastMessageAt, messages, days(365)],
    );
  const countExpired = async (): Promise<number> => {
    const { rows } = await target.database.query<{ count: string }>(
      sql`select ops.count_expired_rows('threads', 'acme', ${days(31)}) as count`,
    );
    return Number(rows[0]!.count);
  };
  const expire = async (howMany: number): Promise<number> => {
    const { rows } = await target.database.query<{ count: number }>(
      sql`select ops.expire_rows('threads', 'acme', ${days(31)}, ${howMany}) as count`,
    );
    return rows[0]!.count;
  };
  /** The threads that are left, by the time of their last message, and whether each has its messages. */
  const left = async (): Promise<string[]> => {
    const { rows } = await target.admin.query<{ title: string; whole: boolean }>(
      `select t.title, t.version = (select count(*) from app_public.messages m where m.thread_id = t.id) as whole
       from app_public.threads t where t.tenant_id = 'acme' order by t.last_message_at`,
    );
    return rows.map(({ title, whole }) => (whole ? title : `${title}, in part`));
  };

  test('that are no longer kept go as a whole, the oldest first, until as many rows are gone as a step may delete', async () => {
    await fill('oldest', days(90), 3);
    await fill('old', days(60), 4);
    await fill('expired', days(40), 0);
    await fill('kept', days(20), 2);
    expect(await countExpired()).toBe(4 + 5 + 1);
    expect([await expire(1), await left()]).toEqual([4, ['old', 'expired', 'kept']]);
    expect([await expire(5), await left()]).toEqual([5, ['expired', 'kept']]);
    expect([await expire(5), await left()]).toEqual([1, ['kept']]);
    expect([await expire(5), await countExpired()]).toEqual([0, 0]);
    const { rows } = await target.admin.query(
      "select sum(row_count)::int as rows from ops.retention_receipts where policy = 'threads'",
    );
    expect(rows).toEqual([{ rows: 10 }]);
  });

  // The embedded database has one transaction at a time.
  test.skipIf(kind === 'embedded')(
    'stay when somebody speaks in them at the moment when they go',
    async () => {
      await fill('revived', days(50), 1);
      await target.admin.query('begin');
      await target.admin.query(
        "update app_public.threads set last_message_at = now() where title = 'revived'",
      );
      const expiring = expire(5);
      const isWaiting = async (): Promise<boolean> => {
        // A transaction looks at the sessions once, and then has what it saw.
        await target.admin.query('select pg_stat_clear_snapshot()');
        const { rowCount } = await target.admin.query(
          `select from pg_stat_activity
           where datname = current_database() and wait_event_type = 'Lock' and query like '%expire_rows%'`,
        );
        return rowCount === 1;
      };
      await expect.poll(isWaiting, { timeout: 20_000 }).toBe(true);
      await target.admin.query('commit');
      expect(await expiring).toBe(0);
      expect(await left()).toContain('revived');
    },
  );

  test.each([
    [
      'the newest messages of a thread',
      'messages where thread_id = $1 order by number desc limit 20',
      'messages_thread_id_number_key',
    ],
    ['the newest threads', 'threads order by last_message_at desc limit 20', 'threads_last_message_at_idx'],
    [
      'the newest threads of an agent',
      "threads where agent_id = 'a7' order by last_message_at desc limit 20",
      'threads_agent_id_last_message_at_idx',
    ],
    [
      'the newest threads of a task',
      'threads where task_id = $1 order by last_message_at desc limit 20',
      'threads_task_id_last_message_at_idx',
    ],
  ])('are read from the end of an index by a member: %s', async (_what, query, index) => {
    const { admin } = target;
    const id = '2a9f4d1e-5c55-4f0e-8d67-1a5b1c0f3e77';
    await admin.query('begin');
    try {
      await admin.query('set local session_replication_role to replica');
      await admin.query(
        `insert into app_public.threads (tenant_id, agent_id, task_id, last_message_at)
         select t, 'a' || n % 50, case when n % 50 = 0 then $1::uuid else gen_random_uuid() end, now() - n * interval '1 second'
         from unnest('{acme,rival}'::text[]) t, generate_series(1, 2000) n`,
        [id],
      );
      await admin.query(
        `insert into app_public.messages (tenant_id, thread_id, number, role, content)
         select 'acme', $1, n, 'user', 'x' from generate_series(1, 2000) n`,
        [id],
      );
      await admin.query('analyze app_public.threads, app_public.messages');
      await admin.query(
        `set local role ${target.config.rolePrefix}_member; set local app.tenant_id = 'acme'`,
      );
      const { rows } = await admin.query<{ 'QUERY PLAN': string }>(
        `explain (costs off) select * from app_public.${query.replace('$1', `'${id}'`)}`,
      );
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      expect(plan).toContain(`Index Scan Backward using ${index} on`);
      expect(plan).not.toMatch(/Sort|Filter/);
    } finally {
      await admin.query('rollback');
    }
  });
});

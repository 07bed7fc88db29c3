import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Client } from 'pg';
import { from as copyFromStdin } from 'pg-copy-streams';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Transaction } from '../../../src/db/database.ts';
import { noServer } from '../../support/server.ts';
import {
  isOwner,
  other,
  own,
  partitionsOf,
  settingsOf,
  tryAs,
  twoTenants,
} from '../../support/two-tenants.ts';
import type { TwoTenants } from '../../support/two-tenants.ts';

interface LogRow {
  readonly table_name: string;
  readonly operation: string;
  readonly row_count: number;
  readonly tenant_id: string | null;
  readonly key: Record<string, unknown> | null;
  readonly old_values: Record<string, unknown> | null;
  readonly new_values: Record<string, unknown> | null;
  readonly subject: string | null;
  readonly login: string;
  readonly role: string;
  readonly request_id: string | null;
}

const columns =
  'table_name, operation, row_count, tenant_id, key, old_values, new_values, subject, login::text, role::text, request_id';
const uuid = '00000000-0000-4000-8000-000000000001';
const digest = (character: string) => character.repeat(64);

describe.skipIf(noServer)('the audit log', () => {
  let world: TwoTenants;

  beforeAll(async () => {
    world = await twoTenants();
  });
  afterAll(() => world?.close());

  /** Commits what `work` does as a service of the tenant (or whom the settings say), and gives the log's rows of exactly that transaction. */
  const logOf = async (
    work: (transaction: Transaction) => Promise<unknown>,
    settings = settingsOf('service', own),
    database = world.actor('service').database,
  ): Promise<LogRow[]> => {
    const id = await database.transaction(settings, async (t) => {
      await work(t);
      const { rows } = await t.query<{ id: string }>({ text: 'select pg_current_xact_id()::text as id' });
      return rows[0]!.id;
    });
    return rowsOf(id);
  };
  const rowsOf = async (transactionId: string): Promise<LogRow[]> => {
    const { rows } = await world.admin.query<LogRow>(
      `select ${columns} from audit.log where transaction_id = $1::xid8 order by id`,
      [transactionId],
    );
    return rows;
  };
  const run = (text: string, values: unknown[] = []) => logOf((t) => t.query({ text, values }));
  /** As a superuser, for what nobody else may do. */
  const runAsSuperuser = async (...statements: string[]): Promise<LogRow[]> => {
    await world.admin.query('begin');
    try {
      for (const statement of statements) await world.admin.query(statement);
      const { rows } = await world.admin.query('select pg_current_xact_id()::text as id');
      await world.admin.query('commit');
      return await rowsOf(rows[0].id);
    } catch (error) {
      await world.admin.query('rollback');
      throw error;
    }
  };

  const tables: readonly (readonly [table: string, insert: string, update: string, key: string])[] = [
    ['agents', "insert into agents (id, name, model) values ('a', 'A', 'm')", "name = 'B'", "id = 'a'"],
    [
      'tasks',
      `insert into tasks (id, description) values ('${uuid}', 'A')`,
      "description = 'B'",
      `id = '${uuid}'`,
    ],
    ['knowledge', "insert into knowledge (id, content) values ('a', 'A')", "content = 'B'", "id = 'a'"],
    ['workflows', `insert into workflows (id, name) values ('${uuid}', 'A')`, "name = 'B'", `id = '${uuid}'`],
    [
      'sessions',
      `insert into sessions (id, user_id, token, expires_at) values ('${uuid}', 'u', '${digest('a')}', now())`,
      `data = '{"a": 1}'`,
      `id = '${uuid}'`,
    ],
  ];

  test.each(tables)(
    'has a row of detail for an insert, an update and a delete on %s, in their transaction',
    async (table, insert, update, key) => {
      const name = `app_public.${table}`;
      const common = {
        table_name: name,
        row_count: 1,
        tenant_id: own,
        key: { tenant_id: own, id: key.split("'")[1] },
        subject: `service@${own}`,
        login: 'agent_user',
        role: 'lightning_service',
        request_id: 'request of service',
      };
      const inserted = await run(insert);
      expect(inserted).toMatchObject([{ ...common, operation: 'insert', old_values: null }]);
      const row = inserted[0]?.new_values;
      expect(row).toMatchObject({ tenant_id: own, id: common.key.id });
      expect(Object.keys(row ?? {}).length).toBeGreaterThan(6);

      const updated = await run(`update ${table} set ${update} where ${key}`);
      expect(updated).toMatchObject([{ ...common, operation: 'update' }]);
      const changed = update.split(' = ')[0]!;
      const kept = ['agents', 'workflows'].includes(table) ? [changed, 'updated_at'] : [changed];
      expect(Object.keys(updated[0]?.old_values ?? {}).toSorted()).toEqual(kept.toSorted());
      expect(Object.keys(updated[0]?.new_values ?? {}).toSorted()).toEqual(kept.toSorted());

      const deleted = await run(`delete from ${table} where ${key}`);
      expect(deleted).toMatchObject([{ ...common, operation: 'delete', new_values: null }]);
      expect(deleted[0]?.old_values).toEqual({ ...row, ...updated[0]?.new_values });
    },
  );

  test('has a row per statement and tenant with the count for metrics', async () => {
    const points = await run(
      "insert into metrics (service_name, metric_name, value) select 's', 'm', n from generate_series(1, 500) n",
    );
    expect(points).toMatchObject([
      { table_name: 'app_public.metrics', operation: 'insert', row_count: 500, tenant_id: own, key: null },
    ]);
    const mixed = await runAsSuperuser(
      `insert into app_public.metrics (tenant_id, service_name, metric_name, value)
       select t, 's', 'm', 1 from unnest(array['${own}', '${own}', '${other}']) t`,
      'update app_public.metrics set value = value + 1',
      'delete from app_public.metrics where false',
      `delete from app_public.metrics where tenant_id = '${other}'`,
    );
    const counts = mixed.map((row) => [row.operation, row.tenant_id, row.new_values ?? row.old_values]);
    expect(counts).toHaveLength(2 + 3 + 1);
    expect(
      mixed
        .filter((row) => row.operation === 'insert')
        .map((row) => row.row_count)
        .toSorted(),
    ).toEqual([1, 2]);
    expect(mixed.filter((row) => row.operation === 'delete')).toMatchObject([
      { tenant_id: other, row_count: 3 },
    ]);
  });

  test.each(['tenants', 'agents', 'tasks', 'knowledge', 'workflows', 'sessions', 'metrics'])(
    'has a row for a truncate of %s, which belongs to no tenant',
    async (table) => {
      await world.admin.query('begin');
      await world.admin.query(`truncate app_public.${table} cascade`);
      const { rows } = await world.admin.query(
        `select ${columns} from audit.log where transaction_id = pg_current_xact_id() and table_name = $1`,
        [`app_public.${table}`],
      );
      await world.admin.query('rollback');
      expect(rows).toMatchObject([{ operation: 'truncate', tenant_id: null, key: null, row_count: 0 }]);
    },
  );

  test('has what is done to a partition by its own name', async () => {
    const now = new Date().toISOString();
    const partition = `app_public.metrics_p${now.slice(0, 10).replaceAll('-', '')}`;
    expect(await partitionsOf(world.admin, 'app_public.metrics')).toContain(partition);
    const rows = await runAsSuperuser(
      `insert into ${partition} (tenant_id, id, service_name, metric_name, value, "timestamp") values ('${own}', -1, 's', 'm', 1, '${now}')`,
      `update ${partition} set value = 2 where id = -1`,
      `delete from ${partition} where id = -1`,
    );
    expect(rows).toMatchObject(
      ['insert', 'update', 'delete'].map((operation) => ({
        operation,
        table_name: partition,
        tenant_id: own,
        row_count: 1,
      })),
    );
    // The owner's truncate of a partition is no exception.
    const empty = (await partitionsOf(world.admin, 'app_public.metrics')).at(-1)!;
    const owner = world.actor('owner');
    const truncated = await logOf(
      (t) => t.query({ text: `truncate ${empty}` }),
      owner.settings,
      owner.database,
    );
    expect(truncated).toMatchObject([
      { operation: 'truncate', table_name: empty, login: 'agent_migrate', role: 'lightning_owner' },
    ]);
  });

  test('has it for a partition that was made later', async () => {
    await world.admin.query('select ops.ensure_partitions(20, 5)');
    const newest = (await partitionsOf(world.admin, 'app_public.metrics')).at(-1)!;
    expect(await runAsSuperuser(`truncate ${newest}`)).toMatchObject([
      { operation: 'truncate', table_name: newest },
    ]);
  });

  test('has nothing of what was rolled back, whole or to a savepoint', async () => {
    const before = await count('true');
    const seen = await tryAs(world.actor('service'), async (t) => {
      await t.query({ text: "insert into agents (id, name, model) values ('undone', 'A', 'm')" });
      return t.query({ text: "select id from agents where id = 'undone'" });
    });
    expect(seen.rowCount).toBe(1);
    expect(await count('true')).toBe(before);

    const rows = await logOf(async (t) => {
      await t.query({ text: "insert into agents (id, name, model) values ('kept', 'A', 'm')" });
      await t
        .savepoint(async (s) => {
          await s.query({ text: "insert into agents (id, name, model) values ('lost', 'A', 'm')" });
          throw new Error('undone');
        })
        .catch(() => {});
    });
    expect(rows.map((row) => row.key?.['id'])).toEqual(['kept']);
  });

  test('has nothing of an update that changes nothing, and no row for a row that stays', async () => {
    await run(`insert into tasks (id, description) values ('${uuid}', 'same')`);
    expect(await run(`update tasks set description = 'same' where id = '${uuid}'`)).toEqual([]);
    expect(await run('update tasks set description = description')).toEqual([]);
    const rows = await run(
      `update tasks set description = case when id = '${uuid}' then 'other' else description end`,
    );
    expect(rows).toMatchObject([
      { old_values: { description: 'same' }, new_values: { description: 'other' } },
    ]);
    await run(`delete from tasks where id = '${uuid}'`);
  });

  test('tells a value that became null from one that was never there', async () => {
    await run(`insert into tasks (id, description, error_message) values ('${uuid}', 'x', 'broke')`);
    expect(await run(`update tasks set error_message = null where id = '${uuid}'`)).toMatchObject([
      { old_values: { error_message: 'broke' }, new_values: { error_message: null } },
    ]);
    await run(`delete from tasks where id = '${uuid}'`);
  });

  test('has a digest of an embedding and of a token, never the value', async () => {
    const vector = (x: number) => `[${Array.from({ length: 1536 }, (_, i) => (i === 0 ? x : 0)).join(',')}]`;
    const rows = [
      ...(await run("insert into knowledge (id, content, embedding) values ('v', 'x', $1)", [vector(0.5)])),
      ...(await run("update knowledge set embedding = $1 where id = 'v'", [vector(0.25)])),
      ...(await run("update knowledge set embedding = null where id = 'v'")),
      ...(await run("delete from knowledge where id = 'v'")),
      ...(await run(
        `insert into sessions (id, user_id, token, expires_at) values ('${uuid}', 'u', '${digest('b')}', now())`,
      )),
      ...(await run(`delete from sessions where id = '${uuid}'`)),
    ];
    expect(rows).toHaveLength(6);
    const sha = /^sha256:[0-9a-f]{64}$/;
    const [insert, update, cleared, , opened, ended] = rows;
    expect(insert?.new_values?.['embedding']).toMatch(sha);
    expect(update?.old_values).toEqual({ embedding: insert?.new_values?.['embedding'] });
    expect(update?.new_values?.['embedding']).toMatch(sha);
    expect(update?.new_values).not.toEqual(update?.old_values);
    expect(cleared).toMatchObject({ new_values: { embedding: null } });
    expect(opened?.new_values?.['token']).toMatch(sha);
    expect(ended?.old_values?.['token']).toMatch(sha);
    expect(await count("concat(old_values::text, new_values::text) ~ '0,0,0,0'")).toBe(0);
    const { rows: tokens } = await world.admin.query('select token from app_public.sessions');
    for (const token of [digest('a'), digest('b'), ...tokens.map((row: { token: string }) => row.token)]) {
      expect(await count(`concat(old_values::text, new_values::text, key::text) like '%${token}%'`)).toBe(0);
    }
  });

  test('has what a delete of an agent does to its tasks and knowledge', async () => {
    await logOf(async (t) => {
      await t.query({ text: "insert into agents (id, name, model) values ('leaver', 'A', 'm')" });
      await t.query({
        text: "insert into tasks (agent_id, description) select 'leaver', 'x' from generate_series(1, 3)",
      });
      await t.query({ text: "insert into knowledge (id, agent_id, content) values ('k', 'leaver', 'x')" });
    });
    const rows = await run("delete from agents where id = 'leaver'");
    const changes = rows.map((row) => `${row.operation} ${row.table_name}`).toSorted();
    expect(changes).toEqual([
      'delete app_public.agents',
      'update app_public.knowledge',
      'update app_public.tasks',
      'update app_public.tasks',
      'update app_public.tasks',
    ]);
    for (const row of rows.filter(({ operation }) => operation === 'update')) {
      expect(row).toMatchObject({
        old_values: { agent_id: 'leaver' },
        new_values: { agent_id: null },
        subject: `service@${own}`,
        login: 'agent_user',
      });
    }
  });

  test('has a thousand rows for a statement of a thousand rows', async () => {
    const rows = await run(
      "insert into tasks (description) select 'many' || n from generate_series(1, 1000) n",
    );
    expect(rows).toHaveLength(1000);
    expect(new Set(rows.map((row) => row.key?.['id'])).size).toBe(1000);
    expect(await run("update tasks set status = 'cancelled' where description like 'many%'")).toHaveLength(
      1000,
    );
    expect(await run("delete from tasks where description like 'many%'")).toHaveLength(1000);
  });

  test('has an upsert as what it did to each row', async () => {
    await run("insert into agents (id, name, model) values ('there', 'Old', 'm')");
    const rows =
      await run(`insert into agents (id, name, model) values ('there', 'New', 'm'), ('fresh', 'New', 'm')
      on conflict (tenant_id, id) do update set name = excluded.name`);
    expect(rows.map((row) => [row.operation, row.key?.['id']]).toSorted()).toEqual([
      ['insert', 'fresh'],
      ['update', 'there'],
    ]);
    expect(rows.find((row) => row.operation === 'update')).toMatchObject({
      old_values: { name: 'Old' },
      new_values: { name: 'New' },
    });
    expect(
      await run("insert into agents (id, name, model) values ('there', 'x', 'm') on conflict do nothing"),
    ).toEqual([]);
    const merged = await run(`merge into agents a
      using (values ('there', 'Merged'), ('fresh', null), ('merged', 'Merged')) v(id, name) on a.id = v.id
      when matched and v.name is null then delete
      when matched then update set name = v.name
      when not matched then insert (id, name, model) values (v.id, v.name, 'm')`);
    expect(merged.map((row) => [row.operation, row.key?.['id']]).toSorted()).toEqual([
      ['delete', 'fresh'],
      ['insert', 'merged'],
      ['update', 'there'],
    ]);
  });

  test('has what a copy loads', async () => {
    // A copy into a table under row-level security is refused, so bulk loads go through a temporary table; a superuser's
    // copy is the one that can reach the table itself.
    await world.admin.query('begin');
    await pipeline(
      Readable.from([`${own}\tcopied-1\tA\tm\n${own}\tcopied-2\tA\tm\n`]),
      world.admin.query(copyFromStdin('copy app_public.agents (tenant_id, id, name, model) from stdin')),
    );
    const { rows } = await world.admin.query('select pg_current_xact_id()::text as id');
    await world.admin.query('commit');
    expect((await rowsOf(rows[0].id)).map((row) => row.key?.['id'])).toEqual(['copied-1', 'copied-2']);
  });

  test('is not fooled by the settings of a login that is not the API', async () => {
    // No such login may write anything, so one is let in for this test.
    await world.admin.query(`
      grant insert on app_public.agents to lightning_worker;
      grant execute on function app_private.may_print_long(jsonb) to lightning_worker;
      create policy insert_worker on app_public.agents for insert to lightning_worker with check (true)`);
    const client = new Client({ connectionString: world.database.urls.worker });
    await client.connect();
    try {
      await client.query(`set request.jwt.claims = '{"sub": "somebody else"}'`);
      await client.query("set app.request_id = 'forged'");
      await client.query('begin');
      await client.query(
        "insert into app_public.agents (tenant_id, id, name, model) values ($1, 'direct', 'A', 'm')",
        [own],
      );
      const { rows } = await client.query('select pg_current_xact_id()::text as id');
      await client.query('commit');
      expect(await rowsOf(rows[0].id)).toMatchObject([
        { subject: null, request_id: null, login: 'agent_worker', role: 'agent_worker' },
      ]);
    } finally {
      await client.end();
      await world.admin.query(`
        drop policy insert_worker on app_public.agents;
        revoke insert on app_public.agents from lightning_worker;
        revoke execute on function app_private.may_print_long(jsonb) from lightning_worker`);
    }
  });

  test('is written by nobody', async () => {
    let refused = 0;
    const names = ['audit.log', ...(await partitionsOf(world.admin, 'audit.log'))];
    for (const actor of world.actors.filter((who) => !isOwner(who))) {
      for (const name of names) {
        for (const statement of [
          `insert into ${name} (tenant_id, table_name, operation, row_count, role) values ('${own}', 'x', 'insert', 1, 'r')`,
          `update ${name} set row_count = 0`,
          `delete from ${name}`,
          `truncate ${name}`,
          `alter table ${name} disable trigger all`,
          `select audit.enable_tracking('app_public.agents')`,
        ]) {
          await expect(actor.database.queryWith(actor.settings, { text: statement })).rejects.toMatchObject({
            code: '42501',
          });
          refused += 1;
        }
      }
    }
    expect(refused).toBeGreaterThan(200);
  });

  test('is changed and emptied of its rows by no command of its owner that row-level security governs', async () => {
    const owner = world.actor('owner');
    const before = await count('true');
    for (const text of ['update audit.log set row_count = 0', 'delete from audit.log'])
      expect((await owner.database.queryWith(owner.settings, { text })).rowCount).toBe(0);
    expect(await count('true')).toBe(before);
    expect(before).toBeGreaterThan(0);
  });

  test('cannot be switched off by a request', async () => {
    for (const statement of [
      "set_config('session_replication_role', 'replica', true)",
      "set_config('role', 'lightning_owner', true)",
    ]) {
      await expect(run(`select ${statement}`)).rejects.toMatchObject({ code: '42501' });
    }
  });

  test("is a tenant administrator's to read, of that tenant only", async () => {
    const { rows } = await world
      .actor('admin')
      .database.queryWith<{ tenant_id: string }>(settingsOf('admin', other), {
        text: "select distinct key ->> 'tenant_id' as tenant_id from audit_search(max_rows => 1000) where key ? 'tenant_id'",
      });
    expect(rows).toEqual([{ tenant_id: other }]);
  });

  test('refuses to track a table without a primary key', async () => {
    await world.admin.query('create table app_public.keyless (tenant_id text)');
    await expect(
      world.admin.query("select audit.enable_tracking('app_public.keyless')"),
    ).rejects.toMatchObject({
      code: 'LTA01',
    });
    await world.admin.query('drop table app_public.keyless');
  });

  test('follows when a table is tracked with other options, in its partitions too', async () => {
    await world.admin.query('begin');
    try {
      await world.admin.query("select audit.enable_tracking('app_public.metrics', digested => '{tags}')");
      const { rows } = await world.admin.query<{ definition: string }>(
        `select pg_get_triggerdef(t.oid) as definition from pg_trigger t join pg_inherits i on i.inhrelid = t.tgrelid
         where i.inhparent = 'app_public.metrics'::regclass and t.tgname = '_800_audit_insert'`,
      );
      expect(rows.length).toBeGreaterThan(1);
      expect(
        rows.filter((row) => !row.definition.includes('FOR EACH ROW EXECUTE FUNCTION audit.tg__log_row(')),
      ).toEqual([]);
    } finally {
      await world.admin.query('rollback');
    }
  });

  test('has a column that a table got later, before and after the table is tracked again', async () => {
    const newValues = async () => {
      await world.admin.query(
        "update app_public.agents set mood = coalesce(mood, '') || '!', name = name || '!'",
      );
      const { rows } = await world.admin.query<{ names: string[] }>(
        'select distinct array(select jsonb_object_keys(new_values)) as names from audit.log where transaction_id = pg_current_xact_id() and key is not null',
      );
      await world.admin.query('rollback to savepoint before');
      return rows.map(({ names }) => names.filter((name) => name !== 'updated_at').toSorted());
    };
    await world.admin.query('begin');
    try {
      await world.admin.query('alter table app_public.agents add column mood text; savepoint before');
      expect(await newValues()).toEqual([['mood', 'name']]);
      await world.admin.query("select audit.enable_tracking('app_public.agents'); savepoint before");
      expect(await newValues()).toEqual([['mood', 'name']]);
    } finally {
      await world.admin.query('rollback');
    }
  });

  async function count(condition: string): Promise<number> {
    const { rows } = await world.admin.query(
      `select count(*)::int as count from audit.log where ${condition}`,
    );
    return rows[0].count;
  }
});

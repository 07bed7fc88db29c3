import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLogin, dropLogin } from '../../../src/commands/login.ts';
import type { PostgresDatabase } from '../../../src/db/postgres.ts';
import { tryQuery } from '../../support/attempts.ts';
import { migratedDatabase } from '../../support/db.ts';
import type { MigratedDatabase } from '../../support/db.ts';
import { installationIn } from '../../support/installation.ts';
import { noServer } from '../../support/server.ts';
import { serverDatabase } from '../../support/server-database.ts';

// The access layer itself is in test/clients/python/legacy.test.ts. Here is what it meets beside others.
describe.skipIf(noServer)('the views of the schema legacy', () => {
  const suffix = randomBytes(4).toString('hex');
  const names = { acme: `acme_${suffix}`, globex: `globex_${suffix}`, analyst: `analyst_${suffix}` };
  let made: MigratedDatabase;
  let operator: PostgresDatabase;
  let admin: Client;
  let acme: Client;
  let globex: Client;
  let analyst: Client;

  beforeAll(async () => {
    made = await migratedDatabase();
    operator = serverDatabase(made.urls.migrate);
    admin = await open(made.adminUrl);
    const login = async (name: string, tenant: string, kind: Parameters<typeof createLogin>[4]) => {
      const password = await createLogin(installationIn(operator), name, tenant, {}, kind);
      return open(Object.assign(new URL(made.url), { username: name, password }).href);
    };
    for (const tenant of ['acme', 'globex']) await admin.query('select ops.create_tenant($1, $1)', [tenant]);
    acme = await login(names.acme, 'acme', { role: 'service', schema: 'legacy' });
    globex = await login(names.globex, 'globex', { role: 'service', schema: 'legacy' });
    analyst = await login(names.analyst, 'acme', {});
    await acme.query("insert into agents (id, name, model, status) values ('ada', 'Ada', 'm', 'training')");
  });
  afterAll(async () => {
    await Promise.all([acme?.end(), globex?.end(), analyst?.end()]);
    for (const name of Object.values(names)) await dropLogin(installationIn(operator), name);
    await Promise.all([operator?.close(), admin?.end()]);
    await made?.drop();
  });

  async function open(connectionString: string): Promise<Client> {
    const client = new Client({ connectionString });
    await client.connect();
    return client;
  }
  const one = async (client: Client, statement: string, values: unknown[] = []) =>
    (await client.query(statement, values)).rows;

  test('are for services alone, and show no row of another tenant', async () => {
    expect(await one(globex, 'select id from agents')).toEqual([]);
    expect((await globex.query("update agents set name = 'x' where id = 'ada'")).rowCount).toBe(0);
    expect((await globex.query("delete from agents where id = 'ada'")).rowCount).toBe(0);
    expect(await tryQuery(analyst, 'select from legacy.agents')).toBe('42501');
    const { rows } = await admin.query<{ name: string }>(
      "select relname as name from pg_class where relnamespace = 'legacy'::regnamespace and relkind in ('r', 'v')",
    );
    expect(rows.length).toBeGreaterThan(10);
    for (const { name } of rows) {
      for (const role of ['anon', 'member', 'admin', 'analyst', 'operator', 'worker', 'search'])
        expect(
          (
            await admin.query(
              "select has_schema_privilege('lightning_' || $1, 'legacy', 'usage') or has_table_privilege('lightning_' || $1, 'legacy.' || $2, 'select') as may",
              [role, name],
            )
          ).rows,
        ).toEqual([{ may: false }]);
    }
    // The functions that delete a tenant find rows by the tenant and their place, and read nothing else.
    const { rows: readable } = await admin.query(
      `select distinct a.attname as name from pg_attribute a
       where a.attrelid = any (array(select oid from pg_class where relnamespace = 'legacy'::regnamespace and relkind in ('r', 'v')))
         and has_column_privilege('lightning_jobs', a.attrelid, a.attnum, 'select') order by 1`,
    );
    expect(readable).toEqual([{ name: 'ctid' }, { name: 'tenant_id' }]);
  });

  test('show a state in the words that were written, until somebody else changes it', async () => {
    const status = () =>
      one(
        acme,
        "select status, updated_at > now() - interval '1 minute' as now from agents where id = 'ada'",
      );
    expect(await status()).toEqual([{ status: 'training', now: true }]);
    // What the client says of updated_at is ignored.
    await acme.query("update agents set name = 'Ada L.', updated_at = '2020-01-01' where id = 'ada'");
    expect(await status()).toEqual([{ status: 'training', now: true }]);
    await acme.query("update app_public.agents set status = 'idle' where id = 'ada'");
    expect(await status()).toEqual([{ status: 'idle', now: true }]);
    await acme.query("update app_public.agents set status = 'busy' where id = 'ada'");
    await acme.query("update agents set status = 'busy' where id = 'ada'");
    expect(await status()).toEqual([{ status: 'busy', now: true }]);
  });

  test('take JSON null and what is left out for nothing', async () => {
    const [made1] = await one(
      acme,
      `insert into tasks (description, context, result) values ('x', 'null', 'null') returning id, context, result, status, priority`,
    );
    expect(made1).toEqual({
      id: expect.any(String),
      context: {},
      result: null,
      status: 'pending',
      priority: 'normal',
    });
    expect(await one(acme, 'select config, capabilities from agents')).toEqual([
      { config: {}, capabilities: [] },
    ]);
  });

  test('find a task by the text that it was made with, and app_public by a UUID that follows from it', async () => {
    await acme.query("insert into tasks (id, description) values ('low-conf-1', 'x')");
    const [{ id }] = await one(acme, "select legacy.id_of('low-conf-1')::text as id");
    expect(await one(acme, 'select description from app_public.tasks where id = $1', [id])).toEqual([
      { description: 'x' },
    ]);
    await expect(
      acme.query("insert into tasks (id, description) values ('low-conf-1', 'again')"),
    ).rejects.toMatchObject({
      code: '23505',
    });
    await expect(acme.query("update tasks set id = 'other' where id = 'low-conf-1'")).rejects.toMatchObject({
      code: '42501',
    });
    expect((await acme.query("delete from tasks where id = 'low-conf-1'")).rowCount).toBe(1);
    expect(await one(acme, 'select from app_public.tasks where id = $1', [id])).toEqual([]);
    expect(await one(acme, 'select from legacy.task_fields where task_id = $1', [id])).toEqual([]);
  });

  test.each([
    [
      'tasks',
      "(description, context, created_at) values ('as shown', 'null', '2026-03-04')",
      "status = 'in_progress'",
    ],
    [
      'workflows',
      "(name, steps, created_at) values ('as shown', '[{\"id\": 1}]', '2026-03-04')",
      "status = 'active'",
    ],
    [
      'sessions',
      "(user_id, token, data, expires_at) values ('as shown', 'a token of some length', 'null', '2036-01-01')",
      'data = \'{"a": 1}\'',
    ],
    ['agents', "(id, name, model, config) values ('shown', 'as shown', 'm', 'null')", "status = 'training'"],
  ])('return a row as it is shown: %s', async (view, row, change) => {
    const [inserted] = await one(acme, `insert into ${view} ${row} returning *`);
    expect(await one(acme, `select * from ${view} where id = $1`, [inserted.id])).toEqual([inserted]);
    const [changed] = await one(acme, `update ${view} set ${change} where id = $1 returning *`, [
      inserted.id,
    ]);
    expect(await one(acme, `select * from ${view} where id = $1`, [inserted.id])).toEqual([changed]);
    expect(changed).not.toEqual(inserted);
    await acme.query(`delete from ${view} where id = $1`, [inserted.id]);
  });

  test('leave a task to the agent that holds it by a lease', async () => {
    const [{ id }] = await one(
      acme,
      "insert into tasks (description, context) values ('held', '{\"held\": true}') returning id",
    );
    await acme.query("select claim_task('ada', filter => '{\"held\": true}')");
    await expect(
      acme.query("update tasks set status = 'completed' where id = $1", [id]),
    ).rejects.toMatchObject({ code: 'LTQ06' });
    expect(await one(acme, 'select status from tasks where id = $1', [id])).toEqual([{ status: 'running' }]);
  });

  test('show the steps of a workflow as they were written, until somebody else changes them', async () => {
    const steps = [
      { id: 'a b', name: 'A' },
      { id: 'a b', name: 'B', description: 'b' },
      { name: 'C' },
      { id: '...', name: '' },
    ];
    const [{ id }] = await one(
      acme,
      "insert into workflows (id, name, steps, status) values ('flow 1', 'f', $1, 'active') returning id",
      [JSON.stringify(steps)],
    );
    expect(id).toBe('flow 1');
    const shown = () => one(acme, "select steps, status from workflows where id = 'flow 1'");
    expect(await shown()).toEqual([{ steps, status: 'active' }]);
    const [ours] = await one(
      acme,
      "select steps from app_public.workflows where id = legacy.id_of('flow 1')",
    );
    expect(
      ours.steps.map(({ key, task }: { key: string; task: { description: string } }) => [
        key,
        task.description,
      ]),
    ).toEqual([
      ['a_b-1', 'A'],
      ['a_b-2', 'b'],
      ['step-3', 'C'],
      ['step-4', 'step 4'],
    ]);
    const changed = [{ key: 'k', task: { description: 'd' } }];
    await acme.query(
      "update app_public.workflows set steps = $1, status = 'completed' where id = legacy.id_of('flow 1')",
      [JSON.stringify(changed)],
    );
    expect(await shown()).toEqual([{ steps: changed, status: 'completed' }]);
    for (const bad of ['{"a": 1}', '[1]', '"x"'])
      await expect(
        acme.query("insert into workflows (name, steps) values ('x', $1)", [bad]),
      ).rejects.toMatchObject({
        code: 'LTL01',
        message: 'legacy.workflows.steps cannot be written: steps are an array of objects',
      });
  });

  test('tell of a session to whoever has its token, and show neither the token nor its digest', async () => {
    const token = `a long secret ${suffix}`;
    await acme.query(
      "insert into sessions (user_id, token, expires_at) values ('ann', $1, (now() at time zone 'UTC') + interval '1 hour')",
      [token],
    );
    const found = (client: Client, cast = '') =>
      one(client, `select user_id, token::text as shown, id from sessions where token = $1${cast}`, [token]);
    for (const cast of ['', '::text', '::varchar']) {
      const [session] = await found(acme, cast);
      expect(session).toMatchObject({ user_id: 'ann', shown: session.id });
    }
    expect(await one(acme, `select user_id from sessions where token = '${token}'`)).toEqual([
      { user_id: 'ann' },
    ]);
    expect(await found(globex)).toEqual([]);
    expect(await one(acme, 'select from sessions where token = id')).toEqual([]);
    await expect(
      acme.query("update sessions set token = 'another token of some length'"),
    ).rejects.toMatchObject({ code: 'LTL01' });
    expect((await acme.query('delete from sessions where token = $1', [token])).rowCount).toBe(1);
    expect(await found(acme)).toEqual([]);
  });

  test('keep the turns of an agent about a task as messages of one thread', async () => {
    for (const [n, task] of [
      [1, 't'],
      [2, 't'],
      [3, null],
    ] as const)
      await acme.query(
        'insert into conversations (id, agent_id, task_id, user_query, agent_response) values ($1, $2, $3, $4, $5)',
        [`turn ${n}`, 'ada', task, `question ${n}`, `answer ${n}`],
      );
    const { rows } = await acme.query(
      `select array_agg(m.role || ': ' || m.content order by m.number) as said from app_public.messages m group by thread_id order by 1`,
    );
    expect(rows.map(({ said }) => said)).toEqual([
      ['user: question 1', 'assistant: answer 1', 'user: question 2', 'assistant: answer 2'],
      ['user: question 3', 'assistant: answer 3'],
    ]);
    await acme.query("update conversations set success = false where id = 'turn 1'");
    expect(await one(acme, 'select id, success from conversations order by id')).toEqual([
      { id: 'turn 1', success: false },
      { id: 'turn 2', success: null },
      { id: 'turn 3', success: null },
    ]);
    await expect(acme.query("update conversations set user_query = 'x'")).rejects.toMatchObject({
      code: 'LTL01',
    });
    await expect(acme.query('delete from conversations')).rejects.toMatchObject({ code: 'LTL01' });
    await expect(
      acme.query(
        "insert into conversations (agent_id, user_query, agent_response) values ('nobody', 'x', 'y')",
      ),
    ).rejects.toMatchObject({ code: '23503' });
    expect(await one(globex, 'select id from conversations')).toEqual([]);
  });

  test.each([
    ["insert into agents (id, name, model, status) values ('x', 'x', 'x', 'asleep')", 'agents.status'],
    ["update agents set status = 'asleep'", 'agents.status'],
    ["insert into tasks (description, status) values ('x', 'hibernating')", 'tasks.status'],
    ["insert into tasks (description, priority) values ('x', 'urgent')", 'tasks.priority'],
    ["insert into workflows (name, status) values ('x', 'archived')", 'workflows.status'],
    ["insert into workflows (name, steps) values ('x', '{}')", 'workflows.steps'],
    [
      "insert into sessions (id, user_id, token, expires_at) values ('x', 'x', 'a long token of nobody', now())",
      'sessions.id',
    ],
    ["insert into sessions (user_id, token, expires_at) values ('x', 'short', now())", 'sessions.token'],
  ])('refuse what nothing stands for: %s', async (statement, place) => {
    await expect(acme.query(statement)).rejects.toMatchObject({
      code: 'LTL01',
      message: expect.stringMatching(
        new RegExp(`^legacy\\.${place.replace('.', '\\.')} cannot be written: `),
      ),
    });
  });

  test.each(['agents', 'tasks', 'workflows', 'sessions', 'conversations', 'knowledge', 'users'])(
    'keep the id of a row: %s',
    async (view) => {
      expect(await tryQuery(acme, `update ${view} set id = 'other'`)).toBe('42501');
    },
  );

  test('take times without a zone as UTC, whatever the server is set to', async () => {
    await acme.query(
      "insert into tasks (id, description, created_at) values ('timed', 'x', timestamp '2026-01-02 03:04:05')",
    );
    expect(
      await one(
        admin,
        "select created_at = '2026-01-02T03:04:05Z' as same from app_public.tasks where description = 'x' and created_at < '2026-02-01'",
      ),
    ).toEqual([{ same: true }]);
  });
});

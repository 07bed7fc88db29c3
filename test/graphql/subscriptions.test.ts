import { createClient } from 'graphql-ws';
import type { Client, ExecutionResult } from 'graphql-ws';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/statement.ts';
import { signToken } from '../../src/auth/jwt.ts';
import { startApp, testSecret, testToken } from '../support/app.ts';
import { countingDatabase } from '../support/counting-database.ts';
import { blocksOf } from '../support/doc-blocks.ts';
import type { RunningApp } from '../support/app.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer } from '../support/server.ts';

describe.skipIf(noServer)('subscriptions', () => {
  let fresh: MigratedDatabase;
  let database: Database;
  let admin: Database;
  let app: RunningApp;
  const clients: Client[] = [];

  beforeAll(async () => {
    fresh = await migratedDatabase();
    database = serverDatabase(fresh.urls.api);
    admin = serverDatabase(fresh.adminUrl);
    await admin.query({ text: `insert into app_public.tenants (id, name) values ('other', 'Other')` });
    app = await startApp(database);
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.dispose()));
  });
  afterAll(async () => {
    await app?.close();
    await Promise.all([database?.close(), admin?.close()]);
    await fresh?.drop();
  });

  const taskChanged = 'subscription($id: UUID) { taskChanged(id: $id) { operation taskId task { status } } }';

  /** Subscribes. `next` reads events, and `closed` settles with the code and reason when the connection ends. */
  function subscribe(
    token: string | null,
    id: string | null = null,
    on: RunningApp = app,
    query: string = taskChanged,
  ) {
    let sayClosed: (end: { code: number; reason: string }) => void = () => {};
    const closed = new Promise<{ code: number; reason: string }>((resolve) => (sayClosed = resolve));
    const client = createClient({
      url: `${on.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      lazy: true,
      connectionParams: token === null ? {} : { authorization: `Bearer ${token}` },
      on: { closed: (event) => sayClosed(event as { code: number; reason: string }) },
    });
    clients.push(client);
    const results = client.iterate({ query, variables: { id } });
    return { next: async () => ((await results.next()) as { value: ExecutionResult }).value, closed };
  }

  const insertTask = async (tenant = 'default'): Promise<string> => {
    const { rows } = await admin.query<{ id: string }>(
      sql`insert into app_public.tasks (tenant_id, description) values (${tenant}, 'x') returning id`,
    );
    return rows[0]?.id ?? '';
  };
  /** Makes events until the first one arrives, because a subscription takes a moment to start. */
  const untilSeen = async (first: Promise<ExecutionResult>): Promise<ExecutionResult> => {
    const poke = setInterval(() => void insertTask(), 50);
    try {
      return await first;
    } finally {
      clearInterval(poke);
    }
  };

  test('a change by plain SQL arrives, each time with the current row', async () => {
    const id = await insertTask();
    const events = subscribe(await testToken(), id);
    const first = events.next();
    const poke = setInterval(
      () => void admin.query(sql`update app_public.tasks set status = 'running' where id = ${id}`),
      50,
    );
    expect(await first).toEqual({
      data: { taskChanged: { operation: 'UPDATE', taskId: id, task: { status: 'running' } } },
    });
    clearInterval(poke);
    await admin.query(sql`update app_public.tasks set status = 'completed' where id = ${id}`);
    let event: ExecutionResult;
    do event = await events.next();
    while (JSON.stringify(event).includes('running'));
    expect(event).toMatchObject({ data: { taskChanged: { task: { status: 'completed' } } } });
    await admin.query(sql`delete from app_public.tasks where id = ${id}`);
    do event = await events.next();
    while (JSON.stringify(event).includes('UPDATE'));
    expect(event).toEqual({ data: { taskChanged: { operation: 'DELETE', taskId: id, task: null } } });
  });

  test("another tenant's changes do not arrive", async () => {
    const events = subscribe(await testToken('member', 'other'));
    const first = events.next();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await insertTask('default');
    const own = await insertTask('other');
    expect(await first).toMatchObject({ data: { taskChanged: { operation: 'INSERT', taskId: own } } });
  });

  test('an anonymous subscriber is refused with a code', async () => {
    expect(await subscribe(null).next()).toMatchObject({
      errors: [{ extensions: { code: 'AUTHENTICATION_REQUIRED' } }],
    });
  });

  test('a forged token closes the connection with 4401 and the reason', async () => {
    const { next, closed } = subscribe('a.b.c');
    next().catch(() => {});
    expect(await closed).toMatchObject({ code: 4401, reason: expect.stringMatching(/^TOKEN_MALFORMED/) });
  });

  test('a token that expires ends the subscription', async () => {
    const { next, closed } = subscribe(await testToken('member', 'default', 2));
    await untilSeen(next());
    next().catch(() => {});
    expect(await closed).toMatchObject({ code: 4401, reason: 'TOKEN_EXPIRED' });
  });

  test('more changes at once than are reported one by one send RESYNC', async () => {
    const events = subscribe(await testToken());
    await untilSeen(events.next());
    await admin.query({
      text: `insert into app_public.tasks (tenant_id, description) select 'default', 'many' from generate_series(1, 1001)`,
    });
    let event: ExecutionResult;
    do event = await events.next();
    while (!JSON.stringify(event).includes('RESYNC'));
    expect(event).toEqual({ data: { taskChanged: { operation: 'RESYNC', taskId: null, task: null } } });
  });

  test('a lost LISTEN connection is opened anew, and nothing is missed', async () => {
    const events = subscribe(await testToken());
    await untilSeen(events.next());
    // Changes that were made until the loss was noticed.
    const last = await insertTask();
    let event: ExecutionResult;
    do event = await events.next();
    while (!JSON.stringify(event).includes(last));
    const { rowCount } = await admin.query({
      text: `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and query ~* '^(listen|notify) '`,
    });
    expect(rowCount).toBe(1);
    for (let i = 0; i < 3; i += 1) {
      const id = await insertTask();
      expect(await events.next()).toMatchObject({
        data: { taskChanged: { operation: 'INSERT', taskId: id, task: { status: 'pending' } } },
      });
    }
  });

  test('workflows, agents, threads and messages are live too', async () => {
    const query = `subscription($id: String) { agentChanged(id: $id) { operation agentId agent { name } } }`;
    const agents = subscribe(await testToken(), 'live', app, query);
    const workflows = subscribe(
      await testToken(),
      null,
      app,
      'subscription { workflowChanged { operation workflowId workflow { name } } }',
    );
    // As docs/conversations.md says how to follow a conversation.
    const window = (await blocksOf('docs/conversations.md')).find(
      ({ mark }) => mark?.kind === 'run by',
    )!.code;
    const [thread = ''] = /[0-9a-f-]{36}/.exec(window) ?? [];
    // A change that was committed just before the subscription began may still be told of: the threads' own insert is passed over.
    const threads = subscribe(await testToken(), null, app, window);
    const nextUpdate = async () => {
      for (;;) {
        const event = await threads.next();
        if (!JSON.stringify(event).includes('"operation":"INSERT"')) return event;
      }
    };
    const messages = subscribe(
      await testToken(),
      null,
      app,
      'subscription { messageChanged { operation message { number thread { id } } } }',
    );
    await admin.query(
      sql`insert into app_public.threads (tenant_id, id) values ('default', ${thread}), ('default', gen_random_uuid())`,
    );
    const first = [agents.next(), workflows.next(), nextUpdate(), messages.next()];
    await new Promise((resolve) => setTimeout(resolve, 500));
    for (const id of ['dead', 'live']) {
      await admin.query(
        sql`insert into app_public.agents (tenant_id, id, name, model) values ('default', ${id}, ${id}, 'm')`,
      );
    }
    await admin.query({
      text: `insert into app_public.workflows (tenant_id, name) values ('default', 'flow')`,
    });
    await admin.query(
      sql`insert into app_public.messages (tenant_id, thread_id, number, role, content) values ('default', ${thread}, 1, 'user', 'Hello')`,
    );
    await admin.query(sql`update app_public.threads set version = 1 where id = ${thread}`);
    expect(await Promise.all(first)).toMatchObject([
      { data: { agentChanged: { operation: 'INSERT', agentId: 'live', agent: { name: 'live' } } } },
      { data: { workflowChanged: { operation: 'INSERT', workflow: { name: 'flow' } } } },
      {
        data: {
          threadChanged: {
            operation: 'UPDATE',
            thread: { version: 1, messages: { nodes: [{ number: 1, role: 'user', content: 'Hello' }] } },
          },
        },
      },
      { data: { messageChanged: { operation: 'INSERT', message: { number: 1, thread: { id: thread } } } } },
    ]);
  });

  test('subscribers with the same question share the rows read, whoever they are', async () => {
    const counting = countingDatabase(database);
    const own = await startApp(counting.database);
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        signToken(
          testSecret,
          { role: 'member', tenantId: 'default', subject: `person ${i}`, lifetimeSeconds: 60 },
          new Date(),
        ),
      ),
    );
    const subscriptions = tokens.map((token) => subscribe(token, null, own));
    const first = subscriptions.map((subscription) => subscription.next());
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const before = counting.count('"tasks"');
    const rereads = counting.count('row_to_json');
    const id = await insertTask();
    for (const event of await Promise.all(first)) {
      expect(event).toEqual({
        data: { taskChanged: { operation: 'INSERT', taskId: id, task: { status: 'pending' } } },
      });
    }
    expect(counting.count('row_to_json') - rereads).toBe(1);
    // One statement, unless the event loop turned while they asked.
    expect(counting.count('"tasks"') - before).toBeGreaterThan(0);
    expect(counting.count('"tasks"') - before).toBeLessThan(5);
    await own.close();
  });

  test('a suspended tenant is locked out: its connections end and its tokens are refused', async () => {
    const token = await testToken('member', 'other');
    const { next, closed } = subscribe(token);
    const first = next();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await insertTask('other');
    await first;
    next().catch(() => {});
    await admin.query({ text: `select ops.set_tenant_suspended('other', true)` });
    expect(await closed).toMatchObject({ code: 4403, reason: 'TENANT_SUSPENDED' });
    expect(await app.graphql(token, '{ agents { totalCount } }')).toMatchObject({
      status: 403,
      errors: [{ extensions: { code: 'TENANT_SUSPENDED' } }],
    });
    await admin.query({ text: `select ops.set_tenant_suspended('other', false)` });
    await expect.poll(async () => (await app.graphql(token, '{ agents { totalCount } }')).status).toBe(200);
  });

  test('a subscriber that does not read is dropped, and the others continue', async () => {
    const stuck = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
      headers: { authorization: `Bearer ${await testToken()}` },
    });
    await new Promise((resolve) => stuck.once('open', resolve));
    stuck.send('{"type":"connection_init"}');
    await new Promise((resolve) => stuck.once('message', resolve));
    const closed = new Promise<number>((resolve) => stuck.once('close', resolve));
    const query = 'subscription { taskChanged { operation task { description } } }';
    stuck.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }));
    const reader = subscribe(await testToken());
    await untilSeen(reader.next());
    stuck.pause();
    const { rows } = await admin.query<{ id: string }>({
      text: `insert into app_public.tasks (tenant_id, description) values ('default', repeat('x', 1000000)) returning id`,
    });
    const id = rows[0]?.id;
    for (let i = 0; i < 30; i++) {
      await admin.query(sql`update app_public.tasks set status = 'running' where id = ${id}`);
      let event: ExecutionResult;
      do event = await reader.next();
      while (!JSON.stringify(event).includes('UPDATE'));
    }
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    stuck.resume();
    expect([1006, 4429]).toContain(await closed);
  });

  test('closing the server ends WebSockets with 1001', async () => {
    const own = await startApp(database);
    const { next, closed } = subscribe(await testToken(), null, own);
    await untilSeen(next());
    next().catch(() => {});
    await own.close();
    expect(await closed).toMatchObject({ code: 1001 });
  });
});

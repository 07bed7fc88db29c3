import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { openEvents } from '../support/event-client.ts';
import type { EventClient, ReceivedEvent } from '../support/event-client.ts';

describe.each(apiTargets)('GET /events, %s', (kind, openTarget) => {
  let target: ApiTarget;
  let app: RunningApp;
  const clients: EventClient[] = [];

  beforeAll(async () => {
    target = await openTarget();
    await target.admin.query(`select ops.create_tenant('other', 'Other')`);
    app = await startApp(target.database);
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) {
      client.close();
      await client.ended;
    }
  });
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  async function open(
    token: string | null,
    options: Parameters<typeof openEvents>[2] = {},
    on: RunningApp = app,
  ): Promise<EventClient> {
    const client = await openEvents(on.url, token, options);
    clients.push(client);
    return client;
  }
  /** Opens a stream and waits until it is live. */
  async function ready(
    token: string,
    options: Parameters<typeof openEvents>[2] = {},
    on: RunningApp = app,
  ): Promise<EventClient> {
    const client = await open(token, options, on);
    expect(await client.next()).toMatchObject({ event: 'ready' });
    return client;
  }
  const insertTask = async (tenant = 'default', description = 'x'): Promise<string> => {
    const { rows } = await target.admin.query<{ id: string }>(
      'insert into app_public.tasks (tenant_id, description) values ($1, $2) returning id',
      [tenant, description],
    );
    return rows[0]?.id ?? '';
  };
  const take = async (client: EventClient, count: number): Promise<ReceivedEvent[]> => {
    const events: ReceivedEvent[] = [];
    while (events.length < count) events.push(await client.next());
    return events;
  };
  const told = ({ event, data }: ReceivedEvent) => `${event} ${data.operation} ${data.id}`;

  test('reports what happened to a row, with the row as the caller may see it', async () => {
    const events = await ready(await testToken());
    const id = await insertTask();
    const inserted = await events.next();
    expect(inserted.event).toBe('tasks');
    expect(inserted.data).toMatchObject({
      topic: 'tasks',
      operation: 'insert',
      id,
      row: { id, tenant_id: 'default', description: 'x', status: 'pending' },
    });
    await target.admin.query(`update app_public.tasks set description = 'y' where id = $1`, [id]);
    expect((await events.next()).data).toMatchObject({ operation: 'update', id, row: { description: 'y' } });
    await target.admin.query('delete from app_public.tasks where id = $1', [id]);
    expect((await events.next()).data).toEqual({ topic: 'tasks', operation: 'delete', id, row: null });
  });

  test('reports each row of a statement, and nothing for a statement without rows', async () => {
    const events = await ready(await testToken());
    await target.admin.query(`update app_public.tasks set description = 'z' where false`);
    const { rows } = await target.admin.query<{ id: string }>(
      `insert into app_public.tasks (tenant_id, description) select 'default', 'many' from generate_series(1, 300) returning id`,
    );
    const got = await take(events, 300);
    expect(new Set(got.map((event) => event.data.id))).toEqual(new Set(rows.map((row) => row.id)));
  });

  test('tells the client to read the topic again after more than 1,000 rows at once', async () => {
    const events = await ready(await testToken());
    await target.admin.query(
      `insert into app_public.tasks (tenant_id, description) select 'default', 'more' from generate_series(1, 1001)`,
    );
    expect(await events.next()).toMatchObject({
      event: 'reset',
      data: { topic: 'tasks', reason: 'too_many' },
    });
    const id = await insertTask();
    expect((await events.next()).data).toMatchObject({ id });
  });

  test('tells the client to read the topic again after rows that are too large to be read together', async () => {
    const events = await ready(await testToken());
    await target.admin.query(
      `insert into app_public.tasks (tenant_id, description, context)
       select 'default', 'large', jsonb_build_object('text', repeat('x', 1000000)) from generate_series(1, 20)`,
    );
    expect(await events.next()).toMatchObject({
      event: 'reset',
      data: { topic: 'tasks', reason: 'too_large' },
    });
    const id = await insertTask();
    expect((await events.next()).data).toMatchObject({ id });
  });

  test('sends the chosen topics among tasks, workflows, agents, threads and messages, or all by default', async () => {
    const [all, some] = [
      await ready(await testToken()),
      await ready(await testToken(), { topics: 'agents,workflows' }),
    ];
    await insertTask();
    const heard = [await all.next()];
    for (const text of [
      `insert into app_public.agents (tenant_id, id, name, model) values ('default', 'a', 'A', 'm')`,
      `insert into app_public.workflows (tenant_id, name) values ('default', 'W')`,
      `delete from app_public.agents where id = 'a'`,
      `insert into app_public.threads (tenant_id) values ('default')`,
      `insert into app_public.messages (tenant_id, thread_id, number, role, content)
       select tenant_id, id, 1, 'user', 'x' from app_public.threads`,
      `update app_public.threads set version = 1`,
      `delete from app_public.threads`,
    ]) {
      await target.admin.query(text);
      heard.push(await all.next());
    }
    expect(heard.map(({ event, data }) => `${event} ${data.operation}`)).toEqual([
      'tasks insert',
      'agents insert',
      'workflows insert',
      'agents delete',
      'threads insert',
      'messages insert',
      'threads update',
      'threads delete',
    ]);
    expect(await all.next()).toMatchObject({ event: 'messages', data: { operation: 'delete' } });
    expect((await take(some, 3)).map(({ event }) => event)).toEqual(['agents', 'workflows', 'agents']);
  });

  test("does not send another tenant's changes or deletions, live or resumed", async () => {
    const other = await ready(await testToken('member', 'other'), { topics: 'tasks,agents' });
    const since = other.lastEventId();
    const foreign = await insertTask('default');
    await target.admin.query('update app_public.tasks set description = $2 where id = $1', [foreign, 'q']);
    await target.admin.query('delete from app_public.tasks where id = $1', [foreign]);
    await target.admin.query(
      `insert into app_public.tasks (tenant_id, description) select 'default', 'many' from generate_series(1, 1001)`,
    );
    const own = await insertTask('other');
    expect((await other.next()).data).toMatchObject({ operation: 'insert', id: own });
    const resumed = await open(await testToken('member', 'other'), { lastEventId: since });
    expect((await resumed.next()).data).toMatchObject({ operation: 'insert', id: own });
    expect(await resumed.next()).toMatchObject({ event: 'ready' });
    expect([other.events, resumed.events]).toEqual([[], []]);
  });

  test('continues after any Last-Event-ID, without loss or duplicates', async () => {
    const events = await ready(await testToken());
    const start = events.lastEventId();
    for (let i = 0; i < 3; i += 1) await insertTask();
    await target.admin.query(
      `insert into app_public.tasks (tenant_id, description) select 'default', 'three' from generate_series(1, 3)`,
    );
    await target.admin.query('begin');
    for (let i = 0; i < 2; i += 1) await insertTask();
    await target.admin.query('commit');
    const got = await take(events, 8);
    const ids = [start, ...got.map((event) => event.id)];
    expect(new Set(ids).size).toBe(9);
    for (const [i, lastEventId] of ids.entries()) {
      const again = await open(await testToken(), { lastEventId });
      const rest = await take(again, 8 - i);
      expect(rest.map(told)).toEqual(got.slice(i).map(told));
      expect(await again.next()).toMatchObject({ event: 'ready' });
      again.close();
    }
  });

  test('tells a client that was away for too long to read again, and continues from there', async () => {
    const events = await ready(await testToken());
    const since = events.lastEventId();
    const missed = await insertTask();
    await events.next();
    await target.admin.query('select ops.trim_events()');
    // A client that is live has read again by then, and lacks nothing.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    // Two hours have passed since that mark.
    await target.admin.query("update app_private.event_marks set at = at - interval '2 hours'");
    const { rows } = await target.admin.query<{ count: string }>('select ops.trim_events() as count');
    expect(Number(rows[0]?.count)).toBeGreaterThan(0);
    const late = await open(await testToken(), { lastEventId: since });
    expect(await late.next()).toMatchObject({ event: 'reset', data: { topic: null, reason: 'too_old' } });
    expect(await late.next()).toMatchObject({ event: 'ready' });
    const id = await insertTask();
    expect((await late.next()).data).toMatchObject({ id });
    expect((await events.next()).data).toMatchObject({ id });
    expect(missed).not.toBe(id);
  });

  test('starts anew with a reset after an id that it cannot read', async () => {
    const events = await open(await testToken(), { lastEventId: '812:812:' });
    expect(await events.next()).toMatchObject({ event: 'reset', data: { topic: null, reason: 'too_old' } });
    expect(await events.next()).toMatchObject({ event: 'ready' });
    await insertTask();
    expect(await events.next()).toMatchObject({ event: 'tasks' });
  });

  test('refuses strangers, other methods, and unknown topics', async () => {
    expect((await open(null)).status).toBe(401);
    expect((await open('a.b.c')).status).toBe(401);
    const token = await testToken();
    expect((await open(token, { topics: 'tasks,sessions' })).status).toBe(400);
    const post = await fetch(`${app.url}/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
  });

  test('ends the stream when the token expires or the tenant is suspended', async () => {
    const short = await ready(await testToken('member', 'default', 2));
    const other = await ready(await testToken('member', 'other'));
    await target.admin.query(`select ops.set_tenant_suspended('other', true)`);
    expect(await other.next()).toMatchObject({ event: 'end', data: { code: 'TENANT_SUSPENDED' } });
    await other.ended;
    expect((await open(await testToken('member', 'other'))).status).toBe(403);
    await target.admin.query(`select ops.set_tenant_suspended('other', false)`);
    expect(await short.next()).toMatchObject({ event: 'end', data: { code: 'TOKEN_EXPIRED' } });
    await short.ended;
  });

  test('ends streams with a message when the server closes, and another process continues them', async () => {
    const own = await startApp(target.database);
    const events = await ready(await testToken(), {}, own);
    const first = await insertTask();
    expect((await events.next()).data.id).toBe(first);
    await own.close();
    expect(await events.next()).toMatchObject({ event: 'end', data: { code: 'SHUTTING_DOWN' } });
    await events.ended;
    const meanwhile = await insertTask();
    const again = await open(await testToken(), { lastEventId: events.lastEventId() });
    expect((await again.next()).data.id).toBe(meanwhile);
  });

  test('drops a subscriber that does not read, and neither it nor a broken one affects others', async () => {
    const stuck = await rawStream(app.url, await testToken());
    const broken = await rawStream(app.url, await testToken());
    const reader = await ready(await testToken());
    broken.resetAndDestroy();
    stuck.pause();
    const closed = once(stuck, 'close');
    const id = await insertTask('default', 'x'.repeat(1_000_000));
    await reader.next();
    for (let i = 0; i < 16; i += 1) {
      await target.admin.query('update app_public.tasks set priority = $2 where id = $1', [id, 'high']);
      expect((await reader.next()).data).toMatchObject({ operation: 'update', id });
    }
    stuck.resume();
    await closed;
    expect(stuck.bytesRead).toBeLessThan(16_000_000);
    await target.admin.query('delete from app_public.tasks where id = $1', [id]);
    expect((await reader.next()).data.operation).toBe('delete');
  });

  test.skipIf(kind === 'embedded')(
    'neither loses nor doubles anything with a lost LISTEN connection',
    async () => {
      const events = await ready(await testToken());
      const made: string[] = [];
      for (let i = 0; i < 60; i += 1) {
        made.push(await insertTask());
        if (i % 20 !== 10) continue;
        const { rowCount } = await target.admin.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and query ~* '^(listen|notify) '`,
        );
        expect(rowCount).toBe(1);
        made.push(await insertTask());
        // Long enough to be connected anew before it is killed again.
        await new Promise((resolve) => setTimeout(resolve, 400));
      }
      expect((await take(events, made.length)).map((event) => event.data.id)).toEqual(made);
      expect(events.events).toEqual([]);
    },
  );
});

/** A connection whose answer is read only as far as the test wants. */
async function rawStream(url: string, token: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(`GET /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`);
  let text = '';
  while (!text.includes('event: ready')) text += String((await once(socket, 'data'))[0]);
  expect(text).toMatch(/^HTTP\/1\.1 200/);
  return socket;
}

import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';

const leaving = 60;
/** A statement on the embedded database runs to its end; the ones that wait for their turn do not begin. */
const napMs = { server: 20_000, embedded: 300 } as const;

describe.each(apiTargets)('clients that leave, %s', (kind, open) => {
  let target: ApiTarget;
  let app: RunningApp;
  let token: string;
  const isServer = kind === 'server';
  const ms = isServer ? napMs.server : napMs.embedded;
  /** What the server was told to cancel left nothing; the embedded database finishes what runs. */
  const mostWritten = isServer ? 0 : 9;

  beforeAll(async () => {
    target = await open();
    await target.admin.query(
      `create table public.napped (door text not null);
       grant insert on public.napped to lightning_service;
       create function app_public.nap(ms integer, door text) returns integer language plpgsql volatile as $$
         begin
           insert into public.napped values (door);
           perform pg_catalog.pg_sleep(ms / 1000.0);
           return 1;
         end $$;
       grant execute on function app_public.nap(integer, text) to lightning_service`,
    );
    app = await startApp(target.database);
    token = await testToken('service');
  });
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  const headers = () => ({ authorization: `Bearer ${token}`, 'content-type': 'application/json' });
  const mutation = (door: string) => `mutation { nap(input: { ms: ${ms}, door: "${door}" }) { result } }`;

  /** Sends sixty requests; the returned function makes all clients leave. */
  const doors: Readonly<Record<string, () => () => void>> = {
    rest: () => posting('/rest/v1/rpc/nap', JSON.stringify({ ms, door: 'rest' })),
    'graphql over HTTP': () => posting('/graphql', JSON.stringify({ query: mutation('graphql over HTTP') })),
    'graphql over WebSockets that close': () => {
      const sockets = Array.from({ length: leaving }, () => socketOf());
      for (const socket of sockets) subscribe(socket, mutation('graphql over WebSockets that close'));
      return () => sockets.forEach((socket) => socket.terminate());
    },
    'graphql over a WebSocket that stays': () => {
      const client = createClient({
        url: `${app.url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        lazy: false,
        connectionParams: { authorization: `Bearer ${token}` },
      });
      const unsubscribe = Array.from({ length: leaving }, () =>
        client.subscribe(
          { query: mutation('graphql over a WebSocket that stays') },
          { next: () => {}, error: () => {}, complete: () => {} },
        ),
      );
      return () => unsubscribe.forEach((complete) => complete());
    },
  };

  const posting = (path: string, body: string): (() => void) => {
    const abort = new AbortController();
    for (let n = 0; n < leaving; n++)
      fetch(app.url + path, { method: 'POST', headers: headers(), body, signal: abort.signal }).catch(
        () => {},
      );
    return () => abort.abort();
  };

  const socketOf = (): WebSocket => {
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    socket.on('error', () => {});
    return socket;
  };
  const subscribe = (socket: WebSocket, query: string): void => {
    socket.on('open', () =>
      socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })),
    );
    socket.on('message', (data) => {
      if ((JSON.parse(String(data)) as { type: string }).type === 'connection_ack')
        socket.send(JSON.stringify({ type: 'subscribe', id: 'one', payload: { query } }));
    });
  };

  /** Requests that have a connection or wait for one. */
  const underWay = (): number => {
    const { total, idle, waiting } = target.database.poolState();
    return total - idle + waiting;
  };
  /** Naps that Postgres works on; the embedded database shows its one session to nobody else. */
  const napping = async (): Promise<number> => {
    if (!isServer) return underWay();
    const { rowCount } = await target.admin.query(
      `select from pg_stat_activity where datname = current_database() and state = 'active' and query like '%nap%' and pid <> pg_backend_pid()`,
    );
    return rowCount ?? 0;
  };

  test.each(Object.keys(doors))('by %s: the next request is answered at once', async (door) => {
    const leave = doors[door]!();
    await expect.poll(underWay, { timeout: 10_000 }).toBeGreaterThan(leaving / 2);
    await expect.poll(napping).toBeGreaterThan(0);
    leave();
    await sleep(20);
    const began = performance.now();
    const answer = await fetch(`${app.url}/rest/v1/tasks?limit=1`, { headers: headers() });
    expect(answer.status).toBe(200);
    // Sixty naps in a row would be 18 s and more.
    expect(performance.now() - began).toBeLessThan(2_500);
    await expect.poll(napping, { timeout: 2_000 }).toBe(0);
    await expect.poll(underWay, { timeout: 5_000 }).toBe(0);
    const { rows } = await target.admin.query(
      'select count(*)::integer as n from public.napped where door = $1',
      [door],
    );
    expect(rows[0].n).toBeLessThanOrEqual(mostWritten);
    expect(app.logged.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('a client that stays gets its answer while others leave', async () => {
    const query = { method: 'POST', headers: headers(), body: JSON.stringify({ ms: 150, door: 'stays' }) };
    const stays = fetch(`${app.url}/rest/v1/rpc/nap`, query);
    await sleep(20);
    doors['rest']!()();
    expect(await (await stays).json()).toBe(1);
  });
});

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signToken } from '../../src/auth/jwt.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { openEvents } from '../support/event-client.ts';
import { freePort } from '../support/free-port.ts';
import { lacks } from '../support/lacks.ts';
import { startLightning } from '../support/lightning.ts';
import type { Started } from '../support/lightning.ts';
import { noServer } from '../support/server.ts';
import { strongSecret } from '../support/token-keys.ts';

const page = await readFile(new URL('../../docs/restarts.md', import.meta.url), 'utf8');
const configuration = /```haproxy\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
const clients = 6;

describe.skipIf(noServer || lacks('haproxy'))('two processes behind the HAProxy of docs/restarts.md', () => {
  let fresh: MigratedDatabase;
  let folder: string;
  let token: string;
  let url: string;
  const ports: number[] = [];
  const serves: Started[] = [];
  let balancer: ReturnType<typeof spawn>;
  let said = '';

  const serve = (index: number) =>
    startLightning(
      {
        DATABASE_URL: fresh.urls.api,
        DB_ROLE_PREFIX: 'lightning',
        JWT_SECRET: strongSecret,
        PORT: String(ports[index]),
        DRAIN_MS: '7000',
      },
      ['serve'],
    );
  const isReady = async (index: number) =>
    (await fetch(`http://127.0.0.1:${ports[index]}/readyz`).catch(() => null))?.status === 200;

  beforeAll(async () => {
    fresh = await migratedDatabase();
    folder = await mkdtemp(join(tmpdir(), 'lightning-haproxy-'));
    for (let i = 0; i < 3; i++) ports.push(await freePort());
    serves.push(await serve(0), await serve(1));
    const own = configuration
      .replace(':3000', `:${ports[0]}`)
      .replace(':3001', `:${ports[1]}`)
      .replace(':8080', `:${ports[2]}`);
    await writeFile(join(folder, 'haproxy.cfg'), own);
    balancer = spawn('/usr/sbin/haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')]);
    for (const stream of [balancer.stdout, balancer.stderr])
      stream?.on('data', (data) => (said += String(data)));
    url = `http://127.0.0.1:${ports[2]}`;
    const claims = {
      role: 'service',
      tenantId: 'default',
      subject: 'rolling',
      lifetimeSeconds: 3600,
    } as const;
    token = await signToken(strongSecret, claims, new Date());
    const by = Date.now() + 20_000;
    while ((await fetch(`${url}/readyz`).catch(() => null))?.status !== 200) {
      if (Date.now() > by) throw new Error(`HAProxy finds nothing to send to: ${said}`);
      await pause(100);
    }
  }, 90_000);
  afterAll(async () => {
    balancer?.kill();
    for (const each of serves) await each.stop('SIGINT');
    await fresh?.drop();
    await rm(folder, { recursive: true, force: true });
  });

  test('restart one after the other under load without a failed request, and a stream misses nothing', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: clients });
    const failures: string[] = [];
    const acknowledged: string[] = [];
    const stopping = new AbortController();
    const send = (path: string, body: string | null): Promise<number | string> =>
      new Promise((resolve) => {
        const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
        const method = body === null ? 'GET' : 'POST';
        const sent = httpRequest(`${url}${path}`, { agent, method, headers }, (response) => {
          response.resume().on('end', () => resolve(response.statusCode ?? 0));
        });
        sent.on('error', (error) => resolve(error.message));
        sent.end(body ?? '');
      });
    const work = async (client: number): Promise<void> => {
      for (let n = 0; !stopping.signal.aborted; n++) {
        const id = `rolling-${client}-${n}`;
        const made = await send('/rest/v1/agents', JSON.stringify({ id, name: id, model: 'm' }));
        if (made === 201) acknowledged.push(id);
        else failures.push(`POST ${id}: ${made}`);
        const read = await send(`/rest/v1/agents?id=eq.${id}`, null);
        if (read !== 200) failures.push(`GET ${id}: ${read}`);
        await pause(10);
      }
    };
    const heard: string[] = [];
    let streams = 0;
    let lastEventId: string | undefined;
    const done = new AbortController();
    const listen = async (): Promise<void> => {
      while (!done.signal.aborted) {
        streams += 1;
        const stream = await openEvents(url, token, {
          topics: 'agents',
          ...(lastEventId !== undefined && { lastEventId }),
        });
        done.signal.addEventListener('abort', () => stream.close());
        try {
          for (;;) {
            const event = await stream.next();
            if (event.event === 'agents') heard.push(event.data.id ?? '');
            if (event.event === 'reset') failures.push('the stream was reset');
          }
        } catch {
          lastEventId = stream.lastEventId();
        }
        await pause(100);
      }
    };
    const listening = listen();
    await pause(500);
    const working = Promise.all(Array.from({ length: clients }, (_, client) => work(client)));

    const servedWhile: number[] = [];
    for (const index of [0, 1]) {
      const before = acknowledged.length;
      const { status, stderr } = await serves[index]!.stop('SIGTERM');
      expect({ status, stderr }).toMatchObject({ status: 0 });
      servedWhile.push(acknowledged.length - before);
      serves[index] = await serve(index);
      await expect.poll(() => isReady(index), { timeout: 20_000 }).toBe(true);
      // Until HAProxy has seen it, too.
      await pause(2_500);
    }
    stopping.abort();
    await working;
    expect({ failures, said }).toMatchObject({ failures: [] });
    // The restarts struck in the middle: requests were answered while each of the two went away.
    expect(Math.min(...servedWhile)).toBeGreaterThan(20);
    await expect.poll(() => new Set(heard).size, { timeout: 20_000 }).toBe(acknowledged.length);
    expect(heard.toSorted()).toEqual(acknowledged.toSorted());
    expect(streams).toBeGreaterThan(1);
    done.abort();
    await listening;
    agent.destroy();
  }, 120_000);
});

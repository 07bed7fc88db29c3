import { copyFile, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { Agent, request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { makeCertificates } from '../support/authority.ts';
import type { Authority, Certificates, Pair } from '../support/authority.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { lacks } from '../support/lacks.ts';

const [kind, open] = apiTargets[0]!;

describe.skipIf(lacks('openssl'))(`the API over HTTPS on the ${kind} database`, { timeout: 60_000 }, () => {
  let certificates: Certificates;
  let authority: Authority;
  let target: ApiTarget;
  let app: RunningApp;
  let token: string;
  let served: Pair;
  let ca: string;

  beforeAll(async () => {
    certificates = await makeCertificates();
    authority = await certificates.authority('authority');
    ca = await readFile(authority.certificate, 'utf8');
    served = { certificate: path('tls.crt'), key: path('tls.key') };
    await replace(await authority.issue('first', ['127.0.0.1']));
    [target, token] = await Promise.all([open(), testToken()]);
    app = await startApp(target.database, { tls: served });
  });
  afterAll(async () => {
    await app?.close();
    await target?.close();
    await certificates?.remove();
  });

  const path = (name: string): string => join(certificates.directory, name);

  /** Replaces the files as certbot's hooks do: each by a rename. */
  async function replace(pair: Pair): Promise<void> {
    for (const name of ['key', 'certificate'] as const) {
      await copyFile(pair[name], path('next'));
      await rename(path('next'), served[name]);
    }
  }

  interface Answer {
    readonly status: number;
    readonly headers: Readonly<Record<string, unknown>>;
    readonly body: string;
  }

  function ask(at: string, agent?: Agent, headers: Record<string, string> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const options = {
        ca,
        headers: { authorization: `Bearer ${token}`, ...headers },
        ...(agent ? { agent } : { agent: false }),
      };
      const outgoing = httpsRequest(`${app.url}${at}`, options, (response) => {
        let body = '';
        const end = (): void => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
          if (at === '/events') outgoing.destroy();
        };
        response.on('data', (chunk) => {
          body += String(chunk);
          if (at === '/events' && body.includes('event: ready')) end();
        });
        response.on('end', end);
      });
      outgoing.on('error', reject);
      outgoing.end();
    });
  }

  /** The name that the certificate of a new connection is made out to. */
  function subject(options: object = {}): Promise<string> {
    const { port } = new URL(app.url);
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: Number(port), ca, ...options }, () => {
        resolve(socket.getPeerCertificate().subject.CN as string);
        socket.destroy();
      });
      socket.on('error', reject);
    });
  }

  async function until(name: string): Promise<void> {
    while ((await subject()) !== name) await sleep(50);
  }

  test('OpenAPI names the address that the client asks, over HTTPS too', async () => {
    const { body } = await ask('/rest/v1/');
    expect(JSON.parse(body)).toMatchObject({ servers: [{ url: `${app.url}/rest/v1` }] });
  });

  test('every door answers over it, and tells browsers to come by HTTPS only', async () => {
    expect(app.url).toMatch(/^https:/);
    for (const at of [
      '/rest/v1/agents',
      '/graphql?query={__typename}',
      '/events',
      '/healthz',
      '/graphiql',
      '/nothing',
    ]) {
      const { status, headers } = await ask(at);
      expect([at, status]).toEqual([at, at === '/nothing' ? 404 : 200]);
      expect(headers['strict-transport-security']).toBe('max-age=31536000');
    }
    const socket = new WebSocket(app.url.replace('https', 'wss') + '/graphql', 'graphql-transport-ws', {
      ca,
    });
    const message = await new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.on('open', () =>
        socket.send(
          JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }),
        ),
      );
      socket.on('message', (data) => resolve(JSON.parse(String(data))));
    });
    expect(message).toMatchObject({ type: 'connection_ack' });
    socket.terminate();
  });

  test('plain HTTP is told to write https, and leaves nothing open', async () => {
    const response = await fetch(app.url.replace('https', 'http') + '/rest/v1/agents');
    expect(response.status).toBe(400);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await response.json()).toMatchObject({
      code: 'LTR400',
      hint: 'Write https:// in place of http://.',
    });
  });

  test('TLS 1.1 is refused, and 1.2 is not', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' };
    await expect(subject(old)).rejects.toThrow(/protocol|alert|version/i);
    expect(await subject({ maxVersion: 'TLSv1.2' })).toBe('first');
  });

  test('a renewal under load fails no request, by rename and by links, and a broken pair leaves the one before', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 4 });
    const over = new AbortController();
    const statuses = new Map<number, number>();
    const client = async (kept: boolean): Promise<void> => {
      while (!over.signal.aborted) {
        const { status } = await ask('/rest/v1/agents?limit=1', kept ? agent : undefined);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    const load = [true, true, false, false].map((kept) => client(kept));
    await replace(await authority.issue('second', ['127.0.0.1']));
    await until('second');

    // A certificate without its key: the middle of a renewal, or a mistake.
    const third = await authority.issue('third', ['127.0.0.1']);
    await copyFile(third.certificate, served.certificate);
    while (!app.logged.some(({ event }) => event === 'certificate-unusable')) await sleep(20);
    expect(await subject()).toBe('second');
    await copyFile(third.key, served.key);
    await until('third');
    await writeFile(served.key, 'not a key');
    await sleep(1_500);
    expect(await subject()).toBe('third');

    // As Kubernetes does: the file is a link into a directory that is itself a link, and that one is replaced.
    const fourth = await authority.issue('fourth', ['127.0.0.1']);
    for (const name of ['certificate', 'key'] as const) {
      await symlink(fourth[name], path('link'));
      await rm(served[name]);
      await rename(path('link'), served[name]);
    }
    await until('fourth');
    over.abort();
    await Promise.all(load);
    agent.destroy();
    expect([...statuses.keys()]).toEqual([200]);
    expect(statuses.get(200)).toBeGreaterThan(20);
    expect(app.logged.filter(({ event }) => event === 'certificate-renewed').length).toBeGreaterThanOrEqual(
      3,
    );
  });

  test('a server does not start on a pair that does not belong together', async () => {
    const [one, other] = [
      await authority.issue('one', ['127.0.0.1']),
      await authority.issue('other', ['127.0.0.1']),
    ];
    await expect(startApp(target.database, { tls: { ...one, key: other.key } })).rejects.toThrow(
      'the key does not belong to the certificate',
    );
  });
});

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lightning, startLightning } from '../support/lightning.ts';
import type { Started } from '../support/lightning.ts';

describe('SIGHUP to a process that serves', { timeout: 60_000 }, () => {
  let folder: string;
  let started: Started;
  // One connection, which has to last from the first request to the last.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set<unknown>();
  const setUp = (lines: readonly string[]) => writeFile(join(folder, '.env'), `${lines.join('\n')}\n`);

  const ask = (path: string, headers: Record<string, string> = {}) =>
    new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; text: string }>(
      (resolve, reject) => {
        const request = get(
          `${started.url}${path}`,
          { agent, headers: { Authorization: `Bearer ${started.token}`, ...headers } },
          (response) => {
            let text = '';
            response.on('data', (data) => (text += String(data)));
            response.on('end', () =>
              resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
            );
          },
        );
        request.on('socket', (socket) => sockets.add(socket));
        request.on('error', reject);
      },
    );
  const entries = (event: string) =>
    started
      .log()
      .split('\n')
      .filter((line) => line.includes(`"event":"${event}"`))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  /** Sends the signal and waits for the entry that it makes. */
  const reload = async (event: string): Promise<Record<string, unknown>> => {
    const before = entries(event).length;
    started.process.kill('SIGHUP');
    await expect.poll(() => entries(event).length, { timeout: 10_000 }).toBe(before + 1);
    return entries(event).at(-1)!;
  };
  const burst = async (): Promise<number[]> => {
    const statuses: number[] = [];
    for (let i = 0; i < 6; i++) statuses.push((await ask('/rest/v1/tasks?limit=1')).status);
    return statuses;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lightning-reload-'));
    await setUp(['USE_DATABASE=false', 'LOG_LEVEL=info', 'DB_POOLSIZE=9']);
    started = await startLightning({ DATA_DIR: join(folder, 'data') }, ['start'], undefined, folder);
  }, 60_000);
  afterAll(async () => {
    agent.destroy();
    await started?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('warns at the start of a variable that nothing reads', () => {
    expect(entries('variable-unknown')).toEqual([
      expect.objectContaining({ level: 'warning', variable: 'DB_POOLSIZE' }),
    ]);
  });

  test('puts limits, origins, rows and the level of the log into effect, and names what needs a restart', async () => {
    expect(await burst()).toEqual([200, 200, 200, 200, 200, 200]);
    expect(
      (await ask('/rest/v1/', { Origin: 'https://a.example' })).headers['access-control-allow-origin'],
    ).toBe('*');
    expect((await ask('/healthz')).status).toBe(200);
    expect(entries('request').filter(({ level }) => level === 'debug')).toEqual([]);
    await setUp([
      'USE_DATABASE=false',
      'LOG_LEVEL=debug',
      'RATE_PER_SUBJECT=1',
      'CORS_ORIGINS=https://a.example',
      'REST_MAX_ROWS=1',
      'REST_LOG_STATEMENTS=true',
      'DB_POOL_SIZE=9',
    ]);
    expect(await reload('configuration-read')).toMatchObject({
      level: 'warning',
      inEffect: [
        'RATE_PER_SUBJECT',
        'REST_MAX_ROWS',
        'CORS_ORIGINS',
        'LOG_LEVEL',
        'REST_LOG_STATEMENTS',
      ].toSorted((a, b) => order.indexOf(a) - order.indexOf(b)),
      needRestart: ['DB_POOL_SIZE'],
    });
    const statuses = await burst();
    expect(statuses[0]).toBe(200);
    expect(statuses).toContain(429);
    const origin = async (from: string) =>
      (await ask('/healthz', { Origin: from })).headers['access-control-allow-origin'];
    expect([await origin('https://a.example'), await origin('https://b.example')]).toEqual([
      'https://a.example',
      undefined,
    ]);
    // The answer to a probe is logged at that level only.
    expect(entries('request').filter(({ level }) => level === 'debug').length).toBeGreaterThan(0);
    expect(sockets.size, 'no connection was dropped').toBe(1);
  });

  test('a configuration that is not valid changes nothing, and says so', async () => {
    await setUp(['USE_DATABASE=false', 'RATE_PER_SUBJECT=many', 'CORS_ORIGINS=https://b.example']);
    const refused = await reload('configuration-refused');
    expect(refused).toMatchObject({ level: 'error' });
    expect(refused['message']).toContain('RATE_PER_SUBJECT is "many"; expected a whole number');
    expect(
      (await ask('/healthz', { Origin: 'https://a.example' })).headers['access-control-allow-origin'],
    ).toBe('https://a.example');
    expect(await burst()).toContain(429);
  });

  test('takes the former values back, and rows are not cut off any longer', async () => {
    await setUp(['USE_DATABASE=false', 'RATE_PER_SUBJECT=0', 'REST_MAX_ROWS=1']);
    await reload('configuration-read');
    expect(await burst()).not.toContain(429);
    const made = await fetch(`${started.url}/rest/v1/knowledge`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${started.token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify([{ content: 'one' }, { content: 'two' }]),
    });
    expect([made.status, await made.text()]).toEqual([201, '']);
    const rows = async () => (JSON.parse((await ask('/rest/v1/knowledge')).text) as unknown[]).length;
    expect(await rows()).toBe(1);
    await setUp(['USE_DATABASE=false', 'RATE_PER_SUBJECT=0']);
    expect(await reload('configuration-read')).toMatchObject({
      inEffect: ['REST_MAX_ROWS'],
      needRestart: [],
    });
    expect(await rows()).toBe(2);
    expect(sockets.size, 'no connection was dropped').toBe(1);
  });

  test('the worker takes a new place for the heads of the audit log', async () => {
    const anchors = join(folder, 'anchors.jsonl');
    await setUp(['USE_DATABASE=false', 'RATE_PER_SUBJECT=0', `AUDIT_ANCHOR_FILE=${anchors}`]);
    expect(await reload('configuration-read')).toMatchObject({ inEffect: ['AUDIT_ANCHOR_FILE'] });
    const run = await lightning(['jobs', 'run', 'seal_audit'], {
      DATA_DIR: join(folder, 'data'),
      USE_DATABASE: 'false',
    });
    expect(run.status, run.stderr).toBe(0);
    expect(await readFile(anchors, 'utf8')).toMatch(/^\{.*"hash"/);
  });
});

/** The order of the table, in which the log names them. */
const order = ['REST_MAX_ROWS', 'RATE_PER_SUBJECT', 'CORS_ORIGINS', 'LOG_LEVEL', 'REST_LOG_STATEMENTS'];

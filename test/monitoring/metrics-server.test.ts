import { createServer } from 'node:net';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import type { LogEntry } from '../../src/log.ts';
import { startMetricsServer } from '../../src/monitoring/metrics-server.ts';
import { freePort } from '../support/free-port.ts';

let running: { stop(): Promise<void> } | undefined;
afterEach(() => running?.stop());

/** The server on this port, what it logs, and the address that it logged. */
function started(port: number, scrape: () => Promise<string>) {
  const logged: LogEntry[] = [];
  running = startMetricsServer({
    host: '127.0.0.1',
    port,
    contentType: 'text/plain; version=0.0.4',
    scrape,
    log: (entry) => logged.push(entry),
    retryMs: 50,
  });
  const url = async (): Promise<string> => {
    await expect.poll(() => logged.map(({ event }) => event)).toContain('metrics-listening');
    return String(logged.find(({ event }) => event === 'metrics-listening')!['url']);
  };
  return { logged, url };
}

test('scrapes that come at the same time share one', async () => {
  let scrapes = 0;
  const { url } = started(0, async () => {
    scrapes += 1;
    await new Promise((resolve) => {
      setTimeout(resolve, 200);
    });
    return `scrapes ${scrapes}\n`;
  });
  const address = await url();
  const texts = await Promise.all(Array.from({ length: 20 }, async () => (await fetch(address)).text()));
  expect(new Set(texts)).toEqual(new Set(['scrapes 1\n']));
  expect(await (await fetch(address)).text()).toBe('scrapes 2\n');
});

test('there is /metrics, for GET and HEAD, and nothing else', async () => {
  const { url } = started(0, async () => 'up 1\n');
  const address = await url();
  const head = await fetch(address, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '5', '']);
  expect((await fetch(address, { method: 'POST' })).status).toBe(405);
  expect((await fetch(address.replace('/metrics', '/'))).status).toBe(404);
  expect((await fetch(`${address}?x=1`)).headers.get('content-type')).toContain('version=0.0.4');
});

test('a scrape that fails is 500 and in the log, and the next one is tried', async () => {
  let fails = true;
  const { url, logged } = started(0, async () => {
    if (fails) throw new Error('no numbers');
    return 'up 1\n';
  });
  const address = await url();
  expect((await fetch(address)).status).toBe(500);
  expect(logged.at(-1)).toMatchObject({ event: 'metrics-failed', message: 'Error: no numbers' });
  fails = false;
  expect((await fetch(address)).status).toBe(200);
});

test('a port that is taken is one warning that names the variable, and is served once it is free', async () => {
  const port = await freePort();
  const other = createServer().listen(port, '127.0.0.1');
  await once(other, 'listening');
  const { url, logged } = started(port, async () => 'up 1\n');
  await expect.poll(() => logged).toHaveLength(1);
  await new Promise((resolve) => {
    setTimeout(resolve, 200);
  });
  expect(logged).toEqual([
    expect.objectContaining({
      level: 'warning',
      event: 'metrics-not-listening',
      message: expect.stringContaining('METRICS_PORT'),
    }),
  ]);
  other.close();
  expect(await (await fetch(await url())).text()).toBe('up 1\n');
});

import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signToken } from '../../src/auth/jwt.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { freePort } from '../support/free-port.ts';
import { lacks } from '../support/lacks.ts';
import { startLightning } from '../support/lightning.ts';
import type { Started } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { strongSecret } from '../support/token-keys.ts';

const docs = fileURLToPath(new URL('../../docs/', import.meta.url));

/** An answer of Prometheus' API. */
interface Queried {
  readonly status: string;
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}

describe.skipIf(lacks('prometheus'))('Prometheus and lightning start', { timeout: 120_000 }, () => {
  let directory: string;
  let dataDirectory: string;
  let lightning: Started;
  let metricsUrl: string;
  let prometheus: ChildProcess;
  let prometheusUrl: string;
  let dashboard: readonly string[];
  let rules: readonly string[];

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'lightning-prometheus-'));
    dataDirectory = await migratedDataDirectory();
    const [port, own] = [await freePort(), await freePort()];
    lightning = await startLightning({
      DATA_DIR: dataDirectory,
      DB_ROLE_PREFIX: testRolePrefix,
      JWT_SECRET: strongSecret,
      METRICS_PORT: String(port),
      RATE_PER_ADDRESS: '0',
    });
    metricsUrl = `http://127.0.0.1:${port}/metrics`;
    const config = path.join(directory, 'prometheus.yml');
    await writeFile(
      config,
      JSON.stringify({
        global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
        rule_files: [`${docs}prometheus/alerts.yml`],
        scrape_configs: [{ job_name: 'lightning', static_configs: [{ targets: [`127.0.0.1:${port}`] }] }],
      }),
    );
    prometheusUrl = `http://127.0.0.1:${own}`;
    prometheus = spawn(
      'prometheus',
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${directory}/data`,
        `--web.listen-address=127.0.0.1:${own}`,
      ],
      { stdio: 'ignore' },
    );
    const { panels } = JSON.parse(await readFile(`${docs}prometheus/dashboard.json`, 'utf8')) as {
      readonly panels: readonly { readonly targets: readonly { readonly expr: string }[] }[];
    };
    dashboard = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    rules = [
      ...(await readFile(`${docs}prometheus/alerts.yml`, 'utf8')).matchAll(/expr: >-\n((?: {10}.*\n)+)/g),
    ].map(([, expr = '']) => expr.replaceAll(/\s+/g, ' ').trim());
  }, 120_000);
  afterAll(async () => {
    if (prometheus?.exitCode === null) {
      prometheus.kill();
      await once(prometheus, 'exit');
    }
    await lightning?.stop();
    for (const each of [directory, dataDirectory])
      if (each !== undefined) await rm(each, { recursive: true, force: true });
  });

  const scrape = async (): Promise<string> => (await fetch(metricsUrl)).text();
  const typesIn = (text: string) =>
    new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]));
  const query = async (expr: string): Promise<Queried> =>
    (await (
      await fetch(`${prometheusUrl}/api/v1/query?${new URLSearchParams({ query: expr })}`)
    ).json()) as Queried;
  const valueOf = async (expr: string): Promise<number> =>
    Number((await query(expr).catch(() => null))?.data.result[0]?.value[1] ?? NaN);

  test('promtool finds no fault with a scrape, which has every part of the database', async () => {
    await fetch(`${lightning.url}/rest/v1/tasks`);
    await fetch(`${lightning.url}/nothing`);
    const text = await scrape();
    expect(execFileSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })).toBe('');
    const up = [...text.matchAll(/^lightning_collector_up\{.*\} (.)$/gm)].map(([, value]) => value);
    expect(up).toEqual(Array.from({ length: 6 }, () => '1'));
    expect(text).toMatch(/^lightning_workers 1$/m);
    expect(text).toMatch(/^lightning_pool_max_connections\{pool="api"\} 60$/m);
  });

  test('Prometheus scrapes it, and a counter grows with what was asked', async () => {
    const upWithin = { timeout: 60_000, interval: 250 };
    await expect.poll(() => valueOf('up{job="lightning"}'), upWithin).toBe(1);
    const asked = 'lightning_http_requests_total{method="HEAD",route="/rest/v1/agents"}';
    for (let i = 0; i < 25; i++) await fetch(`${lightning.url}/rest/v1/agents`, { method: 'HEAD' });
    await expect.poll(() => valueOf(`sum(${asked})`), upWithin).toBe(25);
    for (let i = 0; i < 25; i++) await fetch(`${lightning.url}/rest/v1/agents`, { method: 'HEAD' });
    await expect.poll(() => valueOf(`sum(${asked})`), upWithin).toBe(50);
  });

  test('every expression of the rules and of the dashboard is one to Prometheus, on metrics that exist', async () => {
    expect(rules.length).toBeGreaterThan(20);
    expect(dashboard.length).toBeGreaterThan(30);
    const types = typesIn(await scrape());
    for (const expr of [...rules, ...dashboard]) {
      expect(await query(expr), expr).toMatchObject({ status: 'success' });
      for (const [name] of expr.matchAll(/\b(?:lightning|nodejs|process)_\w+/g)) {
        const family = types.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, '');
        const kinds = family === name ? ['counter', 'gauge', 'summary'] : ['histogram', 'summary'];
        expect(kinds, name).toContain(types.get(family));
      }
    }
    const answer = (await (await fetch(`${prometheusUrl}/api/v1/rules`)).json()) as {
      readonly data: {
        readonly groups: readonly { readonly rules: readonly { readonly health: string }[] }[];
      };
    };
    const health = answer.data.groups.flatMap((group) => group.rules.map((rule) => rule.health));
    expect(health).toHaveLength(rules.length);
    expect(new Set(health)).toEqual(new Set(['ok']));
  });

  test('docs/monitoring.md names every metric of ours, and no other', async () => {
    const page = await readFile(`${docs}monitoring.md`, 'utf8');
    const ours = [...typesIn(await scrape()).keys()].filter((name) => name.startsWith('lightning_'));
    expect(ours.length).toBeGreaterThan(40);
    const suffixes = [...page.matchAll(/`(_\w+)`/g)].map(([, suffix = '']) => suffix);
    const unnamed = ours.filter(
      (name) => !page.includes(`\`${name}\``) && !suffixes.some((suffix) => name.endsWith(suffix)),
    );
    expect(unnamed).toEqual([]);
    const named = [...page.matchAll(/`(lightning_\w+)`/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !ours.includes(name))).toEqual([]);
  });

  test('two thousand requests with paths, methods and tenants that clients made up add no series', async () => {
    const methods = ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'PURGE', 'X'];
    const paths = [
      (x: string) => `/${x}`,
      (x: string) => `/rest/v1/${x}?${x}=eq.1`,
      (x: string) => `/rest/v1/rpc/${x}`,
      (x: string) => `/rest/v1/tasks?${x}=eq.${x}`,
      (x: string) => `/ops/v1/${x}`,
      (x: string) => `/storage/v1/${x}/${x}`,
      (x: string) => `/graphql/${x}`,
    ];
    const send = async (method: string, target: (x: string) => string): Promise<void> => {
      const x = `x${Math.random().toString(36).slice(2)}`;
      const token = await signToken(
        strongSecret,
        { role: 'member', tenantId: x, subject: x, issuer: null, audience: null, lifetimeSeconds: 60 },
        new Date(),
      );
      const answer = await fetch(`${lightning.url}${target(x)}`, {
        method,
        headers: { authorization: `Bearer ${token}`, 'x-request-id': x, 'user-agent': x },
      });
      await answer.arrayBuffer();
    };
    const all = methods.flatMap((method) => paths.map((target) => ({ method, target })));
    const seriesOf = (text: string) =>
      text.split('\n').filter((line) => line.startsWith('lightning_http')).length;
    for (const { method, target } of all) await send(method, target);
    const before = seriesOf(await scrape());
    for (let round = 0; round < 36; round++)
      await Promise.all(all.map(({ method, target }) => send(method, target)));
    expect(all.length * 36).toBeGreaterThan(2_000);
    expect(seriesOf(await scrape())).toBe(before);
  });
});

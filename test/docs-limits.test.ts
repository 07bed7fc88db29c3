import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../src/config/parse-config.ts';
import { apiTargets } from './support/api-targets.ts';
import type { ApiTarget } from './support/api-targets.ts';
import { startApp, testToken } from './support/app.ts';
import type { RunningApp } from './support/app.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const { bodyBytes } = parseConfig({}).http.budgets.identified;

describe('the limit of a body', () => {
  test('is in docs/limits.md as it is in the code', () => {
    const row = /^\| body, WebSocket message +\|.*$/m.exec(
      readFileSync(`${root}/docs/limits.md`, 'utf8'),
    )?.[0];
    expect(row).toContain(`${bodyBytes / 1024 / 1024} MiB, \`MAX_BODY_BYTES\``);
  });

  test('has its number on no other page, except for that of lightning rest', () => {
    const pages = globSync(['README.md', 'docs/*.md'], { cwd: root }).filter(
      (page) => !['docs/limits.md', 'docs/postgrest.md'].includes(page),
    );
    expect(pages.length).toBeGreaterThan(20);
    const sentences = pages.flatMap((page) =>
      readFileSync(`${root}/${page}`, 'utf8')
        .split(/(?<=[.:|])\s+/)
        .filter(
          (sentence) =>
            /\bbod(?:y|ies)\b|MAX_BODY_BYTES/i.test(sentence) && /\d\s?(?:[KM]i?B)\b/.test(sentence),
        )
        .map((sentence) => `${page}: ${sentence}`),
    );
    expect(sentences).toEqual([]);
  });
});

describe('a call that records metrics', () => {
  let target: ApiTarget;
  let app: RunningApp;
  beforeAll(async () => {
    target = await apiTargets[0]![1]();
    app = await startApp(target.database);
  }, 60_000);
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  test('takes the 5,000 points of 150 bytes of docs/metrics.md', { timeout: 60_000 }, async () => {
    const point = { service_name: 'gateway', metric_name: 'latency', value: 0.25, tags: { route: '' } };
    const missing = 149 - JSON.stringify(point).length;
    const points = Array.from({ length: 5_000 }, () => ({ ...point, tags: { route: 'r'.repeat(missing) } }));
    const body = `{"points":${JSON.stringify(points)}}`;
    expect(Math.ceil(body.length / 1024)).toBe(733);
    expect(readFileSync(`${root}/docs/metrics.md`, 'utf8')).toContain('5,000 points of 150 bytes, 733 KiB');
    expect(body.length).toBeLessThan(bodyBytes);
    const response = await fetch(`${app.url}/rest/v1/rpc/record_metrics`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await testToken('service')}` },
      body,
    });
    expect([response.status, await response.json()]).toEqual([200, { stored: 5_000, rejected: [] }]);
  });
});

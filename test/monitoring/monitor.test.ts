import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { spawnLightning, startLightning } from '../support/lightning.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';
import { strongSecret } from '../support/token-keys.ts';

describe.skipIf(noServer)('/metrics of serve and work', { timeout: 60_000 }, () => {
  let fresh: MigratedDatabase;
  let env: Record<string, string>;
  beforeAll(async () => {
    fresh = await migratedDatabase();
    env = { DB_ROLE_PREFIX: testRolePrefix, JWT_SECRET: strongSecret, DEPLOYMENT: 'development' };
  });
  afterAll(() => fresh?.drop());

  const metricsOn = async (port: number): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}/metrics`)).text();

  test('serve has its requests and pool, without a word about the database of all', async () => {
    const port = await freePort();
    const serve = await startLightning({ ...env, DATABASE_URL: fresh.urls.api, METRICS_PORT: String(port) }, [
      'serve',
    ]);
    try {
      expect((await fetch(`${serve.url}/rest/v1/tasks`)).status).toBe(401);
      const text = await metricsOn(port);
      expect(text).toContain(
        'lightning_http_requests_total{method="GET",route="/rest/v1/tasks",status="4xx"} 1',
      );
      expect(text).toMatch(/^lightning_pool_connections\{pool="api"\} [1-9]/m);
      expect(text).not.toMatch(/lightning_(?:queue|collector|job)/);
      expect((await fetch(`${serve.url}/metrics`)).status).toBe(404);
    } finally {
      expect((await serve.stop()).status).toBe(0);
    }
  });

  test('work has what belongs to all processes, under its login, and counts the runs of its jobs', async () => {
    const port = await freePort();
    const work = spawnLightning(['work'], {
      ...env,
      WORKER_DATABASE_URL: fresh.urls.worker,
      METRICS_PORT: String(port),
    });
    try {
      const samples = async () => metricsOn(port).catch(() => '');
      await expect.poll(samples, { timeout: 30_000 }).toMatch(/^lightning_workers 1$/m);
      const text = await samples();
      expect(text.match(/^lightning_collector_up\{.*\} 1$/gm)).toHaveLength(6);
      expect(text).not.toContain('lightning_http_');
      expect(text).toContain('# TYPE lightning_job_runs_total counter');
    } finally {
      work.process.kill();
      expect((await work.ended).status).toBe(0);
    }
  });

  test('a port that another process has does not keep the API from starting, and the log names the variable', async () => {
    const port = await freePort();
    const both = { ...env, DATABASE_URL: fresh.urls.api, METRICS_PORT: String(port) };
    const first = await startLightning(both, ['serve']);
    const second = await startLightning(both, ['serve']);
    try {
      expect((await fetch(`${second.url}/livez`)).ok || (await fetch(`${second.url}/healthz`)).ok).toBe(true);
      expect(await metricsOn(port)).toContain('lightning_build_info');
    } finally {
      const [one, two] = await Promise.all([first.stop(), second.stop()]);
      expect(one.stderr).toContain('"event":"metrics-listening"');
      expect(two.stderr).toContain('"event":"metrics-not-listening"');
      expect(two.stderr).toContain('set METRICS_PORT');
    }
  });
});

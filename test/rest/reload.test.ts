import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';

describe.each(apiTargets)('REST while the schema changes, on the %s database', (_kind, open) => {
  let target: ApiTarget;
  let app: RunningApp;
  let headers: Record<string, string>;

  beforeAll(async () => {
    target = await open();
    app = await startApp(target.database);
    headers = { authorization: `Bearer ${await testToken()}` };
  });
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  const statusesOf = (path: string) =>
    Promise.all(
      Array.from({ length: 12 }, async () => (await fetch(`${app.url}/rest/v1/${path}`, { headers })).status),
    );
  const allOk = Array.from({ length: 12 }, () => 200);

  test("serves a new table, and statements that were prepared for a column's former type", async () => {
    expect((await statusesOf('counted?n=eq.1')).every((status) => status === 404)).toBe(true);
    await target.admin.query(`
      create table app_public.counted (n integer);
      grant select on app_public.counted to public;
      insert into app_public.counted values (1)`);
    await expect.poll(() => statusesOf('counted?n=eq.1'), { timeout: 15_000 }).toEqual(allOk);
    await target.admin.query('alter table app_public.counted alter column n type text using n::text');
    await expect.poll(() => statusesOf('counted?n=eq.1'), { timeout: 15_000 }).toEqual(allOk);
    expect(await (await fetch(`${app.url}/rest/v1/counted?n=eq.1`, { headers })).json()).toEqual([
      { n: '1' },
    ]);
  });
});

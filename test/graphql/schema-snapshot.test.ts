import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tenantsExposure } from '../../src/graphql/exposure.ts';
import { buildSnapshot } from '../../src/graphql/schema-snapshot.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { installationIn } from '../support/installation.ts';
import { testRolePrefix } from '../support/logins.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
const pages = { byDefault: 100, largest: 1_000 };

describe.each(apiTargets.slice(0, 1))('a snapshot of the schema, %s', (_kind, open) => {
  let target: ApiTarget;
  beforeAll(async () => {
    target = await open();
  });
  afterAll(() => target?.close());

  test('is not built again for a catalog that is as it was, and is for other rights', async () => {
    const installation = installationIn(target.database);
    const first = await buildSnapshot(installation, pages, tenantsExposure, null);
    expect(await buildSnapshot(installation, pages, tenantsExposure, first!.fingerprint)).toBeNull();
    await target.admin.query("insert into app_public.tenants (id, name) values ('another', 'Another')");
    expect(await buildSnapshot(installation, pages, tenantsExposure, first!.fingerprint)).toBeNull();
    // As the worker does every day, and `lightning login` for an analyst.
    await target.admin.query(
      "create table app_public.metrics_of_then partition of app_public.metrics for values from ('2001-01-01') to ('2001-01-02')",
    );
    await target.admin.query(
      `create role analyst_of_snapshot; grant ${testRolePrefix}_analyst to analyst_of_snapshot`,
    );
    expect(await buildSnapshot(installation, pages, tenantsExposure, first!.fingerprint)).toBeNull();
    await target.admin.query('drop role analyst_of_snapshot');
    await target.admin.query(`grant truncate on app_public.tenants to ${testRolePrefix}_operator`);
    expect(await buildSnapshot(installation, pages, tenantsExposure, first!.fingerprint)).not.toBeNull();
  }, 60_000);

  // One takes 20 MB while it is held. A hundred in a row were measured to leave nothing behind.
  test('leaves no memory behind', async () => {
    const installation = installationIn(target.database);
    const heapAfter = async (builds: number): Promise<number> => {
      for (let i = 0; i < builds; i++) await buildSnapshot(installation, pages, tenantsExposure, null);
      await new Promise((resolve) => setTimeout(resolve, 100));
      collectGarbage();
      return process.memoryUsage().heapUsed / 1e6;
    };
    const before = await heapAfter(6);
    expect((await heapAfter(20)) - before).toBeLessThan(15);
  }, 240_000);
});

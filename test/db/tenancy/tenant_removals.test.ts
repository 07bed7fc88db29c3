import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migratedDatabase } from '../../support/db.ts';
import type { MigratedDatabase } from '../../support/db.ts';
import { testRolePrefix } from '../../support/logins.ts';
import { noServer } from '../../support/server.ts';

describe.skipIf(noServer)('the functions that delete a tenant', () => {
  let database: MigratedDatabase;
  /** The login of migrations, as the owner: nobody else may call them. */
  let owner: Client;
  let admin: Client;

  beforeAll(async () => {
    database = await migratedDatabase();
    owner = new Client({ connectionString: database.urls.migrate });
    admin = new Client({ connectionString: database.adminUrl });
    for (const client of [owner, admin]) await client.connect();
    await owner.query(`set role ${testRolePrefix}_owner`);
    for (const tenant of ['acme', 'rival']) {
      await owner.query('select ops.create_tenant($1, $1)', [tenant]);
      await admin.query(
        `insert into app_public.agents (tenant_id, id, name, model) select $1, 'a' || i, 'A', 'm' from generate_series(1, 3) i`,
        [tenant],
      );
    }
  });
  afterAll(async () => {
    for (const client of [owner, admin]) await client?.end();
    await database?.drop();
  });

  const agentsOf = async (tenant: string): Promise<number> => {
    const { rowCount } = await admin.query('select from app_public.agents where tenant_id = $1', [tenant]);
    return rowCount ?? 0;
  };

  test('and those that suspend one refuse a tenant that does not exist', async () => {
    for (const suspend of [true, false])
      await expect(
        owner.query(`select ops.set_tenant_suspended('nobody', ${suspend})`),
      ).rejects.toMatchObject({
        code: 'LTT02',
        message: 'tenant nobody does not exist',
      });
  });

  test('begin with no tenant that does not exist, and delete nothing of one that nobody began with', async () => {
    await expect(owner.query(`select ops.begin_tenant_removal('nobody')`)).rejects.toMatchObject({
      code: 'LTT02',
      message: 'tenant nobody does not exist',
    });
    for (const call of [
      `ops.delete_tenant_rows('acme', 'app_public.agents', 10)`,
      `ops.delete_tenant_circle('acme', '{app_public.agents}')`,
      `ops.end_tenant_removal('acme')`,
    ]) {
      await expect(owner.query(`select ${call}`), call).rejects.toMatchObject({
        code: 'LTP06',
        message: 'tenant_id must be a tenant whose deletion has begun',
      });
    }
    expect(await agentsOf('acme')).toBe(3);
  });

  test('delete from no table but those of tenants, and no more than 10,000 rows at once', async () => {
    await owner.query('begin');
    await owner.query(`select ops.begin_tenant_removal('acme')`);
    for (const call of [
      `ops.delete_tenant_rows('acme', 'audit.log', 10)`,
      `ops.delete_tenant_rows('acme', 'app_public.tenants', 10)`,
      `ops.delete_tenant_rows('acme', 'pg_class', 10)`,
      `ops.delete_tenant_rows('acme', 'app_public.agents', 0)`,
      `ops.delete_tenant_rows('acme', 'app_public.agents', 10001)`,
      `ops.delete_tenant_rows('acme', 'app_public.agents', null)`,
      `ops.delete_tenant_circle('acme', '{app_public.agents,audit.log}')`,
      `ops.delete_tenant_circle('acme', '{}')`,
    ]) {
      await owner.query('savepoint s');
      await expect(owner.query(`select ${call}`), call).rejects.toMatchObject({ code: 'LTP06' });
      await owner.query('rollback to s');
    }
    await owner.query('rollback');
    expect(await agentsOf('acme')).toBe(3);
  });

  test('stop at every step while a hold keeps data of the tenant, or of all tenants', async () => {
    for (const tenant of [`'acme'`, 'null']) {
      await owner.query('begin');
      await owner.query(`select ops.begin_tenant_removal('acme')`);
      await owner.query(
        `insert into ops.retention_holds (policy, tenant_id, held, reason) values ('tasks', ${tenant}, '(,)', 'a dispute')`,
      );
      // A tenant that does not exist is said to be missing, and not to be held.
      await owner.query('savepoint s');
      await expect(owner.query(`select ops.begin_tenant_removal('nobody')`)).rejects.toMatchObject({
        code: 'LTT02',
      });
      await owner.query('rollback to s');
      for (const call of [
        `ops.begin_tenant_removal('acme')`,
        `ops.delete_tenant_rows('acme', 'app_public.agents', 10)`,
        `ops.delete_tenant_circle('acme', '{app_public.agents}')`,
        `ops.end_tenant_removal('acme')`,
      ]) {
        await owner.query('savepoint s');
        await expect(owner.query(`select ${call}`), call).rejects.toMatchObject({
          code: 'LTT06',
          message: expect.stringMatching(/^hold \d+ keeps data of tasks of tenant acme: a dispute$/),
        });
        await owner.query('rollback to s');
      }
      await owner.query('rollback');
    }
  });

  test('delete as many rows as they are told, count them, and end only when none is left', async () => {
    await owner.query(`select ops.begin_tenant_removal('acme')`);
    const once = async (): Promise<unknown> => {
      const { rows } = await owner.query(
        `select ops.delete_tenant_rows('acme', 'app_public.agents', 2)::int as n`,
      );
      return rows[0].n;
    };
    expect(await once()).toBe(2);
    const { rows: left } = await owner.query(`select ops.end_tenant_removal('acme') as left`);
    expect(left[0].left).toContain('app_public.agents');
    expect([await once(), await once()]).toEqual([1, 0]);
    const { rows: circle } = await owner.query(
      `select ops.delete_tenant_circle('acme', array(select source from ops.tables_of_tenants() where deletes_as = 'owner'))::int as n`,
    );
    expect(circle[0].n).toBeGreaterThan(0);
    const { rows: none } = await owner.query(`select ops.end_tenant_removal('acme') as left`);
    expect(none).toEqual([{ left: [] }]);
    const { rows } = await owner.query(
      `select row_counts ->> 'app_public.agents' as agents, ended_at is not null as ended from ops.tenant_removals`,
    );
    expect(rows).toEqual([{ agents: '3', ended: true }]);
    expect(await agentsOf('rival')).toBe(3);
    expect((await admin.query(`select from app_public.tenants where id = 'acme'`)).rowCount).toBe(0);
  });

  test('are for the owner alone', async () => {
    const { rows } = await admin.query<{ name: string; grantees: string[] | null }>(`
      select p.proname::text as name, array(select a.grantee::regrole::text from aclexplode(p.proacl) a where a.grantee <> p.proowner) as grantees
      from pg_proc p where p.proname ~ '^(begin|end)_tenant_removal$|^delete_tenant_|^allow_tenant_removal$'`);
    expect(rows.length).toBe(5);
    expect(rows.filter(({ grantees }) => grantees?.length !== 0)).toEqual([]);
  });
});

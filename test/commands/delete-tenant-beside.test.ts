import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { carriedDatabase } from '../export/carried-database.ts';
import type { CarriedDatabase } from '../export/carried-database.ts';
import { spawnLightning } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';
import { named, tablesThatName } from '../support/tables-that-name.ts';

describe.skipIf(noServer)('a tenant is deleted beside others, on a server', { timeout: 180_000 }, () => {
  let database: CarriedDatabase;
  let admin: Client;
  beforeAll(async () => {
    database = await carriedDatabase('server');
    ({ admin } = database);
    for (const tenant of ['big', 'rival']) await admin.query('select ops.create_tenant($1, $1)', [tenant]);
  }, 60_000);
  afterAll(() => database?.close());

  const fillBig = async (): Promise<void> => {
    await admin.query(`
      insert into app_public.knowledge (tenant_id, content) select 'big', 'text ' || i from generate_series(1, 12000) i;
      insert into app_public.tasks (tenant_id, description) select 'big', 'task ' || i from generate_series(1, 12000) i;`);
  };

  test('no write of another tenant waits for a lock, and the deletion goes on where it was killed', async () => {
    await fillBig();
    const output = path.join(await mkdtemp(path.join(tmpdir(), 'deleted-')), 'export');
    const argv = ['tenant', 'delete', 'big', '--yes', '--output', output];
    const other = new Client({ connectionString: database.env['DATABASE_URL'] });
    await other.connect();
    const run = { stopped: false };
    let written = 0;
    const writing = (async () => {
      while (!run.stopped) {
        await other.query('begin');
        await other.query(
          `select set_config('app.tenant_id', 'rival', true), set_config('role', '${testRolePrefix}_service', true)`,
        );
        await other.query(`set local lock_timeout = '100ms'`);
        await other.query(`insert into tasks (description) values ('beside')`);
        await other.query(`insert into knowledge (content) values ('beside')`);
        await other.query(`insert into metrics (service_name, metric_name, value) values ('s', 'm', 1)`);
        await other.query('commit');
        written += 1;
      }
    })();
    const killed = spawnLightning(argv, { ...database.env });
    for (;;) {
      const { rows } = await admin.query(
        `select (row_counts ->> 'app_public.tasks')::int as n from ops.tenant_removals where id = 'big'`,
      );
      if ((rows[0]?.n ?? 0) > 0) break;
      if (killed.process.exitCode !== null) throw new Error(killed.log());
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    killed.process.kill('SIGKILL');
    await killed.ended;
    const left = await admin.query(`select count(*)::int as n from app_public.tasks where tenant_id = 'big'`);
    expect(left.rows[0].n).toBeGreaterThan(0);

    // It stays suspended, and nobody lets it in or gives it anything meanwhile.
    for (const verb of [['resume'], ['create']]) {
      const refused = await database.lightning('tenant', ...verb, 'big');
      expect([refused.status, refused.stderr]).toEqual([
        1,
        'lightning: tenant big is being deleted\n  Let the deletion end first: lightning tenant delete big\n',
      ]);
    }
    const login = await database.lightning(
      'login',
      'create',
      `late_${randomBytes(4).toString('hex')}`,
      '--tenant',
      'big',
    );
    expect(login.stderr).toContain('tenant big is being deleted');

    const ended = await database.lightning(...argv.slice(0, -1), `${output}-2`);
    run.stopped = true;
    await writing;
    await other.end();
    expect(ended.status, ended.stderr).toBe(0);
    const { rows } = await admin.query(
      `select row_counts, export_id from ops.tenant_removals where id = 'big'`,
    );
    expect(ended.stdout).toContain(`tenant big was exported before: ${rows[0].export_id}`);
    expect(await readdir(path.dirname(output))).toEqual(['export']);
    expect(rows[0].row_counts).toMatchObject({ 'app_public.tasks': 12_000, 'app_public.knowledge': 12_000 });
    expect((await tablesThatName(admin, 'big')).filter((name) => !named.test(name))).toEqual([]);
    const { rows: beside } = await admin.query(
      `select count(*)::int as n from app_public.tasks where tenant_id = 'rival'`,
    );
    expect(beside).toEqual([{ n: written }]);
    expect(written).toBeGreaterThan(20);
  });

  test('a request that was let in before is waited for, and its rows go, too', async () => {
    await admin.query(`select ops.create_tenant('late', 'late')`);
    const late = new Client({ connectionString: database.env['DATABASE_URL'] });
    await late.connect();
    await late.query('begin');
    await late.query(
      `select set_config('app.tenant_id', 'late', true), set_config('role', '${testRolePrefix}_service', true)`,
    );
    await late.query(`insert into metrics (service_name, metric_name, value) values ('s', 'm', 1)`);
    let ended = false;
    const deletion = database
      .lightning('tenant', 'delete', 'late', '--yes', '--without-export')
      .finally(() => {
        ended = true;
      });
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    expect(ended).toBe(false);
    await late.query(`insert into agents (id, name, model) values ('late', 'Late', 'm')`);
    await late.query('commit');
    await late.end();
    const { status, stderr } = await deletion;
    expect(status, stderr).toBe(0);
    expect((await tablesThatName(admin, 'late')).filter((name) => !named.test(name))).toEqual([]);
  });

  test('its logins end and go; one that owns something stays, without a tenant and without a way in', async () => {
    await admin.query(`select ops.create_tenant('logins', 'logins')`);
    const names = ['goes', 'stays'].map((name) => `${name}_${randomBytes(4).toString('hex')}`);
    const clients: Client[] = [];
    const cut: string[] = [];
    for (const name of names) {
      const made = await database.lightning(
        'login',
        'create',
        name,
        '--tenant',
        'logins',
        '--role',
        'service',
      );
      expect(made.status, made.stderr).toBe(0);
      const url = Object.assign(new URL(database.adminUrl), { username: name, password: made.stdout.trim() });
      const client = new Client({ connectionString: url.href });
      client.on('error', (error) => cut.push((error as { code?: string }).code ?? error.message));
      await client.connect();
      clients.push(client);
    }
    await admin.query(
      `create table public.of_a_login (); alter table public.of_a_login owner to ${names[1]}`,
    );
    const { status, stdout, stderr } = await database.lightning(
      'tenant',
      'delete',
      'logins',
      '--yes',
      '--without-export',
    );
    expect(status, stderr).toBe(0);
    expect(stdout).toContain(`login ${names[0]} was removed\n`);
    expect(stdout).toContain(
      `login ${names[1]} has no tenant and cannot connect any longer; it stays, because it owns something: `,
    );
    expect(cut.filter((code) => code === '57P01')).toHaveLength(2);
    const { rows } = await admin.query('select rolname, rolcanlogin from pg_roles where rolname = any ($1)', [
      names,
    ]);
    expect(rows).toEqual([{ rolname: names[1], rolcanlogin: false }]);
    expect(
      (await admin.query('select from app_private.tenant_logins where login = any ($1)', [names])).rowCount,
    ).toBe(0);
    await admin.query(`drop table public.of_a_login; drop role ${names[1]}`);
    await Promise.all(clients.map((client) => client.end().catch(() => {})));
  });

  test('a table that belongs to somebody else is named before anything changes, and so is one that refers to the tenant', async () => {
    await admin.query(`select ops.create_tenant('kept', 'kept')`);
    await admin.query(`create table public.foreign_owned (tenant_id text)`);
    const refused = await database.lightning('tenant', 'delete', 'kept', '--yes', '--without-export');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(
      'the rows of tenant kept cannot be deleted: public.foreign_owned belongs to ',
    );
    const { rows } = await admin.query(`select suspended_at from app_public.tenants where id = 'kept'`);
    expect(rows).toEqual([{ suspended_at: null }]);
    await admin.query(
      `drop table public.foreign_owned; create table public.referring (whose text references app_public.tenants (id)); insert into public.referring values ('kept')`,
    );
    const stopped = await database.lightning('tenant', 'delete', 'kept', '--yes', '--without-export');
    expect(stopped.status).toBe(1);
    expect(stopped.stderr).toContain('a table without a column tenant_id refers to the tenant: ');
    await admin.query('drop table public.referring');
    expect((await database.lightning('tenant', 'delete', 'kept', '--yes', '--without-export')).status).toBe(
      0,
    );
  });
});

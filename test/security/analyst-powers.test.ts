import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLogin, dropLogin } from '../../src/commands/login.ts';
import { createTenant } from '../../src/commands/tenant.ts';
import type { Installation } from '../../src/db/installation.ts';
import { missingPreparations, missingRights } from '../../src/db/server-preparation.ts';
import { setupServer } from '../../src/setup/setup-server.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { installationIn } from '../support/installation.ts';
import { testLogins, testRolePrefix } from '../support/logins.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer, readyServer } from '../support/server.ts';

describe.skipIf(noServer)("what Postgres gives to everybody, as an analyst's login", () => {
  const suffix = randomBytes(4).toString('hex');
  const [mallory, ann] = [`mallory_${suffix}`, `ann_${suffix}`];
  let made: MigratedDatabase;
  let migrate: Installation;
  let admin: Client;
  const sessions = new Map<string, Client>();

  beforeAll(async () => {
    made = await migratedDatabase();
    admin = new Client({ connectionString: made.adminUrl });
    await admin.connect();
    migrate = installationIn(serverDatabase(made.urls.migrate));
    await createTenant(migrate, 'acme', 'Acme');
    for (const [name, tenant] of [
      [mallory, 'default'],
      [ann, 'acme'],
    ] as const) {
      const password = await createLogin(migrate, name, tenant);
      const client = new Client({
        connectionString: Object.assign(new URL(made.url), { username: name, password }).href,
      });
      await client.connect();
      sessions.set(name, client);
    }
  });
  afterAll(async () => {
    for (const client of sessions.values()) await client.end();
    for (const name of [mallory, ann]) await dropLogin(migrate, name);
    await Promise.all([admin?.end(), migrate?.database.close()]);
    await made?.drop();
  });
  const as = (name: string) => sessions.get(name)!;

  test.each([
    ['an advisory lock of ours', "select pg_advisory_lock(hashtext('agent_lightning troubles'))"],
    ['an advisory lock until the transaction ends', 'select pg_advisory_xact_lock(1818850917, 1)'],
    ['an advisory lock that it would not wait for', 'select pg_try_advisory_lock(1)'],
    ['a shared advisory lock', 'select pg_try_advisory_xact_lock_shared(1)'],
    ['a large object', "select lo_from_bytea(0, 'x')"],
    ['an empty large object', 'select lo_creat(-1)'],
    ['a large object of a number', 'select lo_create(4711)'],
    ['a message in the WAL', "select pg_logical_emit_message(false, 'x', repeat('x', 1000000))"],
    ['a message of bytes in the WAL', "select pg_logical_emit_message(true, 'x', 'x'::bytea)"],
    ['notifications by the thousand', "select pg_notify('flood', i::text) from generate_series(1, 100000) i"],
  ])('%s is refused', async (_what, statement) => {
    await expect(as(mallory).query(statement)).rejects.toMatchObject({ code: '42501' });
  });

  test.each([
    ['the sessions of others', 'select * from pg_stat_activity'],
    ['the locks of others', 'select * from pg_locks'],
    ['how much is written and read in tables', 'select * from pg_stat_all_tables'],
    ['how much is read from disk', 'select * from pg_statio_all_tables'],
    ['how much each database does', 'select * from pg_stat_database'],
    ['who is replicated to', 'select * from pg_stat_replication'],
    ['how far a command of another is', 'select * from pg_stat_progress_vacuum'],
    [
      'how many rows were written to a table',
      "select pg_stat_get_tuples_inserted('app_public.tasks'::regclass)",
    ],
  ])('%s is not told', async (_what, statement) => {
    await expect(as(mallory).query(statement)).rejects.toMatchObject({ code: '42501' });
    expect((await admin.query(statement)).rows).toBeDefined();
  });

  test('a large object that a superuser opened to all cannot be read', async () => {
    await admin.query(
      "select lo_from_bytea(4712, 'secret of acme'); grant select on large object 4712 to public",
    );
    await expect(as(mallory).query('select lo_get(4712)')).rejects.toMatchObject({ code: '42501' });
    await expect(as(mallory).query('begin; select lo_open(4712, 262144)')).rejects.toMatchObject({
      code: '42501',
    });
    await as(mallory).query('rollback');
    await admin.query('select lo_unlink(4712)');
  });

  test('what clients use is there: NOTIFY, LISTEN, resetting a session, and temporary tables', async () => {
    const heard = new Promise<string | undefined>((resolve) =>
      as(ann).once('notification', ({ payload }) => resolve(payload)),
    );
    await as(ann).query('listen news');
    await as(ann).query("notify news, 'hello'");
    expect(await heard).toBe('hello');
    await as(ann).query('select pg_advisory_unlock_all()');
    await as(ann).query('discard all');
  });

  test('temporary files beyond 1 GB are refused, and the login raises the limit in no way', async () => {
    const { rows } = await as(mallory).query('show temp_file_limit');
    expect(rows).toEqual([{ temp_file_limit: '1GB' }]);
    for (const statement of [
      "set temp_file_limit = '100GB'",
      'set temp_file_limit = -1',
      "select set_config('temp_file_limit', '-1', false)",
      `alter role ${mallory} set temp_file_limit = -1`,
      `alter role ${mallory} reset temp_file_limit`,
      `alter role ${mallory} in database "${new URL(made.url).pathname.slice(1)}" set temp_file_limit = -1`,
    ])
      await expect(as(mallory).query(statement), statement).rejects.toMatchObject({ code: '42501' });
    await as(mallory).query(`alter role ${mallory} reset all`);
    await as(mallory).query('reset all');
    const again = await as(mallory).query('show temp_file_limit');
    expect(again.rows).toEqual([{ temp_file_limit: '1GB' }]);
    // The same limit, smaller, so that the test need not write a gigabyte.
    await admin.query(`alter role ${mallory} set temp_file_limit to '2MB'`);
    const client = new Client({
      connectionString: Object.assign(new URL(made.url), {
        username: mallory,
        password: as(mallory).password!,
      }).href,
    });
    await client.connect();
    await client.query("set work_mem = '64kB'");
    await expect(
      client.query('select count(*) from (select i from generate_series(1, 1000000) i order by -i) s'),
    ).rejects.toMatchObject({ code: '53400' });
    await client.end();
  });

  test('a server where PUBLIC has one of these rights again is not prepared, and another setup takes it away', async () => {
    const missing = () => missingPreparations(migrate.database, testRolePrefix);
    expect(await missing()).toEqual([]);
    await admin.query(
      'grant execute on function pg_advisory_lock(bigint), lo_from_bytea(oid, bytea), pg_notify(text, text) to public',
    );
    expect(await missing()).toEqual([
      "the withdrawal of PUBLIC's right to large objects",
      "the withdrawal of PUBLIC's right to advisory locks",
      "the withdrawal of PUBLIC's right to pg_notify",
    ]);
    await admin.query(
      `revoke execute on function pg_stat_get_activity(integer) from ${testLogins.api}, ${testLogins.backup}`,
    );
    expect(await missingRights(migrate.database, testRolePrefix, testLogins.api, 'api')).toEqual([
      `the right of ${testLogins.api} to execute pg_catalog.pg_stat_get_activity(integer)`,
    ]);
    await setupServer({
      adminUrl: made.adminUrl,
      databaseName: new URL(made.url).pathname.slice(1),
      rolePrefix: testRolePrefix,
      logins: testLogins,
      log: () => {},
    });
    expect(await missing()).toEqual([]);
    expect(await missingRights(migrate.database, testRolePrefix, testLogins.api, 'api')).toEqual([]);
    await expect(as(mallory).query('select pg_advisory_lock(1)')).rejects.toMatchObject({ code: '42501' });
  });

  test('sizes and estimates are told, of all tenants together: SECURITY.md says so', async () => {
    await admin.query(
      `insert into app_public.tasks (tenant_id, description) select 'acme', 'merger ' || i % 2 from generate_series(1, 500) i`,
    );
    await admin.query('analyze app_public.tasks');
    const { rows: counted } = await as(mallory).query('select count(*)::int from app_public.tasks');
    expect(counted).toEqual([{ count: 0 }]);
    const { rows: estimated } = await as(mallory).query<{ reltuples: number; size: string }>(
      "select reltuples, pg_total_relation_size(oid) as size from pg_class where oid = 'app_public.tasks'::regclass",
    );
    expect(estimated[0]!.reltuples).toBe(500);
    expect(Number(estimated[0]!.size)).toBeGreaterThan(8192);
    // A guessed value of another tenant that is frequent: the estimate of a plan tells that it is there.
    const guess = async (description: string) => {
      const { rows } = await as(mallory).query<{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }>(
        `explain (format json) select from app_public.tasks where description = '${description}'
           or description = '${description}!'`,
      );
      return rows[0]!['QUERY PLAN'][0].Plan['Plan Rows'];
    };
    const guesses = [await guess('merger 1'), await guess('nobody wrote this')];
    expect(guesses[0], String(guesses)).toBeGreaterThan(guesses[1]!);
    // The values themselves are not told.
    const { rows: statistics } = await as(mallory).query(
      "select attname from pg_stats where schemaname = 'app_public' and tablename = 'tasks'",
    );
    expect(statistics).toEqual([]);
    await expect(as(mallory).query('select * from pg_statistic')).rejects.toMatchObject({ code: '42501' });
  });

  test('other databases of the server are open until pg_hba.conf closes them: SECURITY.md says so', async () => {
    const client = new Client({
      connectionString: Object.assign(new URL(made.url), {
        username: mallory,
        password: as(mallory).password!,
        pathname: '/postgres',
      }).href,
    });
    await client.connect();
    const { rows } = await client.query<{ others: number }>(
      'select count(*)::int as others from pg_stat_activity where pid <> pg_backend_pid()',
    );
    expect(rows[0]!.others).toBeGreaterThan(0);
    await client.end();
  });

  test.skipIf(!readyServer().binDirectory)('a dump of the database takes the rights along', async () => {
    const { stdout } = await promisify(execFile)(
      join(readyServer().binDirectory!, 'pg_dump'),
      ['--schema-only', made.adminUrl],
      { maxBuffer: 100_000_000 },
    );
    expect(stdout).toContain('REVOKE ALL ON FUNCTION pg_catalog.pg_advisory_lock(bigint) FROM PUBLIC;');
    expect(stdout).toMatch(/GRANT ALL ON FUNCTION pg_catalog\.pg_advisory_lock\(bigint\) TO \w+_owner;/);
  });
});

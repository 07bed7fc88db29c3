import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseEnv } from 'node:util';
import { Client, escapeIdentifier as quoted } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { setupServer } from '../../src/setup/setup-server.ts';
import type { SetupOptions } from '../../src/setup/setup-server.ts';
import { lightning, spawnLightning } from '../support/lightning.ts';
import { noServer, readyServer } from '../support/server.ts';

/** Part of every name, because roles and databases belong to the whole server. */
const mark = `check${randomBytes(3).toString('hex')}`;
const names = {
  databaseName: `db_${mark}`,
  rolePrefix: mark,
  logins: {
    api: `api_${mark}`,
    migrate: `migrate_${mark}`,
    worker: `worker_${mark}`,
    backup: `backup_${mark}`,
  },
};

describe.skipIf(noServer)('setup that cannot finish', () => {
  let admin: Client;
  const logged: string[] = [];
  const setUp = (more: Partial<SetupOptions> = {}) =>
    setupServer({ ...names, adminUrl: readyServer().adminUrl, log: (line) => logged.push(line), ...more });

  beforeAll(async () => {
    admin = new Client({ connectionString: readyServer().adminUrl });
    await admin.connect();
  });
  afterEach(clean);
  afterAll(() => admin?.end());

  async function clean(): Promise<void> {
    logged.length = 0;
    const { rows: databases } = await admin.query<{ name: string }>(
      "select datname as name from pg_database where datname like '%' || $1 || '%'",
      [mark],
    );
    for (const { name } of databases) await admin.query(`drop database ${quoted(name)} with (force)`);
    const { rows: roles } = await admin.query<{ name: string }>(
      "select rolname as name from pg_roles where rolname like '%' || $1 || '%'",
      [mark],
    );
    for (const { name } of roles)
      await admin.query(`drop owned by ${quoted(name)}; drop role ${quoted(name)}`);
  }

  /** Everything of ours on the server: databases, roles with their attributes, memberships. */
  async function ours(): Promise<string[]> {
    const { rows } = await admin.query<{ line: string }>(
      `select line from (
         select concat_ws(' ', datname, datdba::regrole, datacl) as line from pg_database
         union all
         select concat_ws(' ', rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls)
         from pg_roles
         union all
         select concat_ws(' ', roleid::regrole, 'to', member::regrole, inherit_option, set_option) from pg_auth_members
       ) l where line like '%' || $1 || '%' order by 1`,
      [mark],
    );
    return rows.map(({ line }) => line);
  }

  /** The sentence that a setup is refused with; it says so when anything was changed. */
  const refusalOf = async (more: Partial<SetupOptions> = {}): Promise<string> => {
    const before = await ours();
    const error = await setUp(more).then(
      () => new Error('it was not refused'),
      (reason: Error) => reason,
    );
    const same = JSON.stringify(await ours()) === JSON.stringify(before) && logged.length === 0;
    return `${error.name}: ${error.message}${same ? '' : ' BUT CHANGED SOMETHING'}`;
  };

  const login = (more: Partial<SetupOptions['logins']>) => ({ logins: { ...names.logins, ...more } });
  test.each<[string, RegExp, Partial<SetupOptions>]>([
    [
      'a role of the name of a login',
      new RegExp(
        `^SetupError: nothing was changed: ${mark}_worker would be both a login \\(--worker-login\\) and one of the roles that DB_ROLE_PREFIX ${mark} makes`,
      ),
      login({ worker: `${mark}_worker` }),
    ],
    [
      'two logins of one name',
      /--api-login and --backup-login are both /,
      login({ backup: names.logins.api }),
    ],
    [
      'a login of 64 bytes',
      /--api-login is "ü+", which has 64 bytes; expected at most 63/,
      login({ api: 'ü'.repeat(32) }),
    ],
    ['no name', /--migrate-login is ""; expected a name/, login({ migrate: '' })],
    [
      "a name of Postgres's own",
      /--api-login is "pg_monitor", which Postgres keeps for itself/,
      login({ api: 'pg_monitor' }),
    ],
    ['everybody', /--api-login is "public", which Postgres keeps/, login({ api: 'public' })],
    ['a database of 64 bytes', /--database is "d+", which has 64 bytes/, { databaseName: 'd'.repeat(64) }],
    ['the template of all databases', /--database is "template1", from which/, { databaseName: 'template1' }],
    ['a prefix of Postgres', /DB_ROLE_PREFIX is "pg"; Postgres keeps names/, { rolePrefix: 'pg' }],
    [
      'a long prefix',
      /DB_ROLE_PREFIX is "a+"; expected up to 41 lower case letters/,
      { rolePrefix: 'a'.repeat(42) },
    ],
    ['a prefix that needs quotes', /DB_ROLE_PREFIX is "A-b"; expected/, { rolePrefix: 'A-b' }],
  ])('refuses %s before it makes anything', async (_, message, more) => {
    expect(await refusalOf(more)).toMatch(message);
  });

  test('names all faults at once', async () => {
    expect(
      await refusalOf({
        rolePrefix: 'X',
        databaseName: '',
        ...login({ api: 'none' }),
      }),
    ).toMatch(
      /^SetupError: nothing was changed: \n {2}- DB_ROLE_PREFIX .*\n {2}- --database .*\n {2}- --api-login /,
    );
  });

  test.each([
    [
      'the login of another program',
      `create role ${mark}_admin login`,
      /_admin exists, and is a login that setup did not make/,
    ],
    [
      'a superuser',
      `create role ${mark}_search superuser`,
      /_search exists and has SUPERUSER; choose another DB_ROLE_PREFIX/,
    ],
    [
      'a role that is no login',
      `create role api_${mark}`,
      /api_\w+ exists, and cannot log in; choose another --api-login/,
    ],
    [
      'a login that is a superuser',
      `create role worker_${mark} login superuser`,
      /is a superuser; choose another --worker-login/,
    ],
    [
      'memberships the other way round',
      `create role ${mark}_owner; create role ${mark}_search; grant ${mark}_owner to ${mark}_search`,
      /^SetupError: nothing was changed: role "\w+" is a member of role "\w+"/,
    ],
  ])('refuses a server that has %s, and leaves it as it is', async (_, made, message) => {
    await admin.query(made);
    expect(await refusalOf()).toMatch(message);
  });

  test.each<[string, string, string, RegExp]>([
    [
      'another encoding',
      "encoding 'SQL_ASCII' locale 'C' template template0",
      '',
      /has the encoding SQL_ASCII; expected UTF8/,
    ],
    ['no connections allowed', 'allow_connections false', '', /exists, and allows no connections/],
    [
      'pgvector elsewhere',
      '',
      'create schema other; create extension vector schema other',
      /has pgvector in the schema other; expected public/,
    ],
    [
      'another installation',
      '',
      'create schema app_public',
      /has schemas of \w+, not of check\w+_owner: choose another --database/,
    ],
  ])('refuses a database with %s, and leaves it as it is', async (_, how, inside, message) => {
    await admin.query(`create database ${names.databaseName} ${how}`);
    if (inside !== '') {
      const client = new Client({
        connectionString: Object.assign(new URL(readyServer().adminUrl), {
          pathname: `/${names.databaseName}`,
        }).href,
      });
      await client.connect();
      await client.query(inside);
      await client.end();
    }
    expect(await refusalOf()).toMatch(message);
  });

  test('refuses an administrator who is none, and says which rights are missing', async () => {
    await admin.query(`create role plain_${mark} login password 'for-tests'`);
    const adminUrl = Object.assign(new URL(readyServer().adminUrl), {
      username: `plain_${mark}`,
      password: 'for-tests',
    }).href;
    expect(await refusalOf({ adminUrl })).toMatch(
      /plain_\w+ of --admin-url is not an administrator: it lacks CREATEROLE, CREATEDB, REPLICATION/,
    );
  });

  test('makes nothing when the passwords cannot be kept, and everything the next time', async () => {
    const deliver = () => Promise.reject(new Error('the disk is full'));
    await expect(setUp({ deliver })).rejects.toThrow('the disk is full');
    expect(await ours()).toEqual([]);
    const urls = await setUp();
    for (const url of Object.values(urls)) expect(url).toMatch(/^postgres/);
  });

  test('that was killed anywhere goes on, and every password that counts is in the file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'lightning-setup-'));
    const file = join(directory, 'env');
    const args = [
      'setup',
      '--admin-url',
      readyServer().adminUrl,
      '--database',
      names.databaseName,
      '--write-env',
      file,
      ...Object.entries(names.logins).flatMap(([kind, name]) => [`--${kind}-login`, name]),
    ];
    const env = { DB_ROLE_PREFIX: mark };
    await lightning(args, env);
    const whole = await ours();
    expect(whole.length).toBeGreaterThan(20);
    const killedIn = new Set<string>();
    try {
      for (let killed = 0; killed < 8; killed++) {
        await clean();
        await writeFile(file, '');
        const running = spawnLightning(args, env);
        // From the moment that it is connected, a little later each time.
        const seen = `select count(*)::int as count from pg_stat_activity where application_name = 'agent_lightning setup'`;
        const deadline = Date.now() + 20_000;
        while ((await admin.query(seen)).rows[0].count === 0 && Date.now() < deadline) await sleep(2);
        await sleep(killed * 15);
        running.process.kill('SIGKILL');
        await running.ended;
        while ((await admin.query(seen)).rows[0].count > 0 && Date.now() < deadline) await sleep(5);
        const left = await ours();
        killedIn.add(left.length === 0 ? 'nothing' : left.length === 1 ? 'the database' : 'all');
        expect([0, 1, whole.length]).toContain(left.length);

        const again = await lightning(args, env);
        expect(again, again.stderr).toMatchObject({ status: 0 });
        expect(await ours()).toEqual(whole);
        const written = parseEnv(await readFile(file, 'utf8'));
        for (const name of [
          'DATABASE_URL',
          'MIGRATE_DATABASE_URL',
          'WORKER_DATABASE_URL',
          'BACKUP_DATABASE_URL',
        ]) {
          const client = new Client({ connectionString: written[name]! });
          await client.connect();
          await client.end();
        }
      }
      expect(killedIn.size, [...killedIn].join()).toBeGreaterThan(1);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }, 120_000);
});

import { randomBytes } from 'node:crypto';
import { Client, escapeIdentifier } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setupServer } from '../../src/setup/setup-server.ts';
import type { SetupOptions } from '../../src/setup/setup-server.ts';
import { recordSentBytes } from '../support/sent-bytes.ts';
import { noServer, readyServer } from '../support/server.ts';

/** Unique names: the run's roles and logins belong to the whole server, and other files use them. */
const suffix = randomBytes(3).toString('hex');
const names = {
  databaseName: `test_setup_${suffix}`,
  rolePrefix: `setup${suffix}`,
  logins: {
    api: `setup_api_${suffix}`,
    migrate: `setup_migrate_${suffix}`,
    worker: `setup_worker_${suffix}`,
    backup: `setup_backup_${suffix}`,
  },
};

describe.skipIf(noServer)('setup of a fresh server', () => {
  let admin: Client;
  const log: string[] = [];
  const options = (): SetupOptions => ({
    ...names,
    adminUrl: readyServer().adminUrl,
    log: (l) => log.push(l),
  });
  let urls: Awaited<ReturnType<typeof setupServer>>;
  let sent: string;

  beforeAll(async () => {
    admin = new Client({ connectionString: readyServer().adminUrl });
    await admin.connect();
    const way = await recordSentBytes(readyServer().adminUrl);
    const made = await setupServer({ ...options(), adminUrl: way.through(readyServer().adminUrl) });
    await way.close();
    sent = way.text();
    // Afterwards on the direct way.
    const { host } = new URL(readyServer().adminUrl);
    const direct = (url: string | null) => url && Object.assign(new URL(url), { host }).href;
    urls = {
      api: direct(made.api),
      migrate: direct(made.migrate),
      worker: direct(made.worker),
      backup: direct(made.backup),
    };
  });
  afterAll(async () => {
    await admin.query(`drop database if exists ${escapeIdentifier(names.databaseName)} with (force)`);
    const { rows } = await admin.query<{ rolname: string }>(
      'select rolname from pg_roles where rolname = any ($1) or starts_with(rolname, $2)',
      [Object.values(names.logins), `${names.rolePrefix}_`],
    );
    for (const { rolname } of rows)
      await admin.query(`drop owned by ${escapeIdentifier(rolname)}; drop role ${escapeIdentifier(rolname)}`);
    await admin.end();
  });

  const connected = async <T>(url: string | null, work: (client: Client) => Promise<T>): Promise<T> => {
    if (url === null) throw new Error('setup gave no URL for it');
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  };

  test('gives four plain logins that connect as themselves, each with its own password', async () => {
    const passwords = new Set<string>();
    for (const kind of ['api', 'migrate', 'worker', 'backup'] as const) {
      const who = await connected(urls[kind], async (client) => {
        const { rows } = await client.query(
          `select session_user::text, current_user::text, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolreplication,
             r.rolcreatedb, current_database()::text as database
           from pg_roles r where r.rolname = session_user`,
        );
        return rows[0];
      });
      expect(who).toEqual({
        session_user: names.logins[kind],
        current_user: names.logins[kind],
        rolsuper: false,
        // Drills read every row; a login with REPLICATION reads every byte.
        rolbypassrls: kind === 'backup',
        rolcreaterole: kind === 'migrate',
        rolreplication: kind === 'backup',
        rolcreatedb: false,
        database: names.databaseName,
      });
      const { password } = new URL(urls[kind]!);
      expect(password.length).toBeGreaterThanOrEqual(32);
      passwords.add(password);
    }
    expect(passwords.size).toBe(4);
  });

  test('sends the server no password, so that no log of statements has one', async () => {
    for (const kind of ['api', 'migrate', 'worker', 'backup'] as const) {
      const { username, password } = new URL(urls[kind]!);
      expect(sent).toContain(`create role "${username}"`);
      expect(sent).not.toContain(password);
      expect(sent).not.toContain(decodeURIComponent(password));
    }
    expect(sent.match(/password 'SCRAM-SHA-256\$4096:/g)).toHaveLength(4);
    const { rows } = await admin.query(
      `select rolname from pg_authid where rolname = any ($1) and rolpassword like 'SCRAM-SHA-256$4096:%'`,
      [Object.values(names.logins)],
    );
    expect(rows).toHaveLength(4);
  });

  test('lets every login find the tables by their bare names, with just-in-time compilation off', async () => {
    for (const kind of ['api', 'migrate', 'worker', 'backup'] as const) {
      const settings = await connected(urls[kind], async (client) => {
        const { rows } = await client.query(
          "select current_setting('search_path') as search_path, current_setting('jit') as jit",
        );
        return rows[0];
      });
      expect(settings).toEqual({ search_path: 'app_public, public', jit: 'off' });
    }
  });

  test('changes nothing when it is run again, and does not repeat the passwords', async () => {
    const before = await rolesAndRights(admin);
    expect(before.length).toBeGreaterThan(20);
    log.length = 0;
    const again = await setupServer(options());
    expect(again).toEqual({ api: null, migrate: null, worker: null, backup: null });
    expect(log.filter((line) => line.includes('already exists'))).toHaveLength(4);
    expect(await rolesAndRights(admin)).toEqual(before);
    await connected(urls.api, (client) => client.query('select 1'));
  });

  test('takes turns when several run at once', async () => {
    const before = await rolesAndRights(admin);
    log.length = 0;
    const all = await Promise.all(Array.from({ length: 8 }, () => setupServer(options())));
    for (const again of all) expect(again).toEqual({ api: null, migrate: null, worker: null, backup: null });
    expect(log).toContain('another setup of this server is running: waiting for it to finish');
    expect(await rolesAndRights(admin)).toEqual(before);
  });

  test('takes turns when the runs come through different databases of the server', async () => {
    const before = await rolesAndRights(admin);
    const own = Object.assign(new URL(readyServer().adminUrl), { pathname: `/${names.databaseName}` }).href;
    const all = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        setupServer({ ...options(), ...(i % 2 ? { adminUrl: own } : {}) }),
      ),
    );
    for (const again of all) expect(again).toEqual({ api: null, migrate: null, worker: null, backup: null });
    expect(await rolesAndRights(admin)).toEqual(before);
  });

  test('restores removed privileges and revokes additional ones', async () => {
    const before = await rolesAndRights(admin);
    const member = `${names.rolePrefix}_member`;
    await admin.query(`revoke ${member} from ${names.logins.api}`);
    await admin.query(`alter role ${member} login createdb createrole inherit`);
    expect(await rolesAndRights(admin)).not.toEqual(before);
    await setupServer(options());
    expect(await rolesAndRights(admin)).toEqual(before);
  });

  test("leaves the API's login without privileges until it takes a role", async () => {
    await connected(urls.api, async (client) => {
      for (const statement of [
        'create table mine (id int)',
        'create table public.mine (id int)',
        'create temporary table mine (id int)',
        'create schema mine',
        'create role other',
        'create database other',
        `set role ${names.rolePrefix}_owner`,
        `set role ${names.rolePrefix}_worker`,
        `set role ${names.rolePrefix}_analyst`,
        `set role ${names.rolePrefix}_search`,
        `set session authorization ${names.logins.migrate}`,
        `grant ${names.rolePrefix}_member to ${names.logins.backup}`,
        "select pg_read_file('PG_VERSION')",
      ])
        await expect(client.query(statement)).rejects.toMatchObject({ code: '42501' });
      for (const role of ['anon', 'member', 'service', 'admin', 'operator'])
        await client.query(`set role ${names.rolePrefix}_${role}`);
    });
  });

  test('leaves the database closed to a login that it did not make', async () => {
    const stranger = `setup_stranger_${suffix}`;
    await admin.query(`create role ${stranger} login password 'for-tests'`);
    try {
      const url = Object.assign(new URL(urls.api!), { username: stranger, password: 'for-tests' }).href;
      await expect(connected(url, (client) => client.query('select 1'))).rejects.toMatchObject({
        code: '42501',
      });
    } finally {
      await admin.query(`drop role ${stranger}`);
    }
  });

  test('is refused to a login that is not an administrator, with the reason', async () => {
    await expect(
      setupServer({ ...options(), adminUrl: urls.worker!, databaseName: `other_${suffix}` }),
    ).rejects.toMatchObject({
      name: 'SetupError',
      message: expect.stringContaining('is not an administrator'),
    });
  });
});

/**
 * Everything that setup creates, except passwords: roles with attributes, memberships, the database with its privileges
 * and settings.
 */
async function rolesAndRights(admin: Client): Promise<string[]> {
  const { rows } = await admin.query<{ line: string }>(
    `with mine as (
       select * from pg_authid where rolname = any ($1) or starts_with(rolname, $2)
     )
     select concat_ws(' ', rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication,
       rolbypassrls, rolpassword, shobj_description(oid, 'pg_authid')) as line from mine
     union all
     select concat_ws(' ', m.roleid::regrole, m.member::regrole, m.admin_option, m.inherit_option, m.set_option)
     from pg_auth_members m where m.roleid in (select oid from mine) or m.member in (select oid from mine)
     union all
     select concat_ws(' ', datname, datdba::regrole, datacl, s.setconfig)
     from pg_database d left join pg_db_role_setting s on s.setdatabase = d.oid where datname = $3
     order by 1`,
    [Object.values(names.logins), `${names.rolePrefix}_`, names.databaseName],
  );
  return rows.map((row) => row.line);
}

import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UnsafeLogin, refuseUnsafeLogin } from '../../src/db/login-check.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { installationIn } from '../support/installation.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer } from '../support/server.ts';

describe.skipIf(noServer)("the API's login", () => {
  let database: MigratedDatabase;
  let admin: Client;
  const suffix = randomBytes(4).toString('hex');
  const made: string[] = [];
  const name = (part: string) => `test_${part}_${suffix}`;

  beforeAll(async () => {
    database = await migratedDatabase();
    admin = new Client({ connectionString: database.adminUrl });
    await admin.connect();
  });
  afterAll(async () => {
    for (const role of made.toReversed()) {
      await admin.query(`drop owned by ${role}`);
      await admin.query(`drop role ${role}`);
    }
    await admin?.end();
    await database?.drop();
  });

  const makeRole = async (part: string, attributes: string) => {
    await admin.query(`create role ${name(part)} ${attributes}`);
    made.push(name(part));
    return name(part);
  };
  const check = async (url: string): Promise<unknown> => {
    const connected = serverDatabase(url);
    try {
      await refuseUnsafeLogin(installationIn(connected));
      return 'accepted';
    } catch (error) {
      if (!(error instanceof UnsafeLogin)) throw error;
      return error.message;
    } finally {
      await connected.close();
    }
  };
  const urlOf = (login: string) =>
    Object.assign(new URL(database.url), { username: login, password: 'for-tests' }).href;
  const login = async (part: string, attributes = '') => {
    const role = await makeRole(part, `login password 'for-tests' ${attributes}`);
    await admin.query(`grant connect on database ${new URL(database.url).pathname.slice(1)} to ${role}`);
    return role;
  };

  test('is accepted as setup makes it', async () => {
    expect(await check(database.urls.api)).toBe('accepted');
    // What is refused below is refused for its attribute, not for being another login.
    const plain = await login('plain');
    await admin.query(
      `grant lightning_anon, lightning_member, lightning_service, lightning_admin to ${plain}`,
    );
    expect(await check(urlOf(plain))).toBe('accepted');
  });

  test.each([
    ['super', 'superuser', /is a superuser/],
    ['bypass', 'bypassrls', /bypasses row-level security/],
    ['maker', 'createrole', /may make roles/],
    ['replica', 'replication', /may read the whole server as a replica/],
  ])('is refused when it has the attribute of %s', async (part, attribute, reason) => {
    const message = await check(urlOf(await login(part, attribute)));
    expect(message).toMatch(reason);
    expect(message).toContain(name(part));
    expect(message).toContain('lightning setup');
  });

  test('is refused when it owns a table', async () => {
    const owner = await login('owning');
    await admin.query(`create table public.owned (id int); alter table public.owned owner to ${owner}`);
    expect(await check(urlOf(owner))).toMatch(/owns (public\.)?owned/);
  });

  test.each([
    ['at once', 'with inherit true, set true'],
    ['only by set role', 'with inherit false, set true'],
    ['only by handing it on', 'with admin true, inherit false, set false'],
  ])('is refused when it may become the owner, %s', async (how, options) => {
    const heir = await login(`heir${how.length}`);
    await admin.query(`grant lightning_owner to ${heir} ${options}`);
    expect(await check(urlOf(heir))).toMatch(/may become lightning_owner, which is the owner/);
  });

  test('is refused when it may become one over a chain of roles', async () => {
    const chained = await login('chained');
    const middle = await makeRole('middle', 'nologin');
    const further = await makeRole('further', 'nologin');
    await admin.query(`grant lightning_owner to ${further} with inherit false`);
    await admin.query(`grant ${further} to ${middle} with inherit false`);
    await admin.query(`grant ${middle} to ${chained} with inherit false`);
    expect(await check(urlOf(chained))).toMatch(/may become lightning_owner/);

    const hidden = await makeRole('hidden', 'nologin bypassrls');
    await admin.query(
      `revoke lightning_owner from ${further}; grant ${hidden} to ${further} with inherit false`,
    );
    expect(await check(urlOf(chained))).toMatch(new RegExp(`may become ${hidden}, which bypasses`));
    await admin.query(`revoke ${hidden} from ${further}`);
    expect(await check(urlOf(chained))).toBe('accepted');
  });

  test.each(['pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'])(
    "is refused with %s, which reaches the server's own files",
    async (group) => {
      const reaching = await login(`reach${group.length}`);
      await admin.query(`grant ${group} to ${reaching}`);
      expect(await check(urlOf(reaching))).toMatch(new RegExp(`may become ${group}, which`));
    },
  );

  test.each(['migrate', 'backup'] as const)('is refused when it is the login for %s', async (kind) => {
    expect(await check(database.urls[kind])).toMatch(
      /may become lightning_owner|bypasses row-level security|may make roles/,
    );
  });
});

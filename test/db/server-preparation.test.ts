import { randomBytes } from 'node:crypto';
import { Client, escapeIdentifier } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setupServer } from '../../src/setup/setup-server.ts';
import type { SetupOptions } from '../../src/setup/setup-server.ts';
import { lightningHere } from '../support/lightning-here.ts';
import { noServer, readyServer } from '../support/server.ts';
import { strongSecret } from '../support/token-keys.ts';

/** Unique names: roles and logins belong to the whole server, and other files use the usual ones. */
const suffix = randomBytes(3).toString('hex');
const prefix = `prep${suffix}`;
const logins = {
  api: `prep_api_${suffix}`,
  migrate: `prep_migrate_${suffix}`,
  worker: `prep_worker_${suffix}`,
  backup: `prep_backup_${suffix}`,
};
const databaseName = `test_prep_${suffix}`;

describe.skipIf(noServer)('a server that an older version set up', () => {
  let server: Client;
  let admin: Client;
  let env: Record<string, string>;
  const options = (): SetupOptions => ({
    adminUrl: readyServer().adminUrl,
    databaseName,
    rolePrefix: prefix,
    logins,
    log: () => {},
  });

  beforeAll(async () => {
    const urls = await setupServer(options());
    server = new Client({ connectionString: readyServer().adminUrl });
    await server.connect();
    const own = Object.assign(new URL(readyServer().adminUrl), { pathname: `/${databaseName}` });
    admin = new Client({ connectionString: own.href });
    await admin.connect();
    env = {
      DB_ROLE_PREFIX: prefix,
      DATABASE_URL: urls.api!,
      MIGRATE_DATABASE_URL: urls.migrate!,
      WORKER_DATABASE_URL: urls.worker!,
      BACKUP_DATABASE_URL: urls.backup!,
      JWT_SECRET: strongSecret,
    };
  });
  afterAll(async () => {
    await admin?.end();
    await server.query(`drop database if exists ${escapeIdentifier(databaseName)} with (force)`);
    const { rows } = await server.query<{ rolname: string }>(
      'select rolname from pg_roles where rolname = any ($1) or starts_with(rolname, $2)',
      [Object.values(logins), `${prefix}_`],
    );
    for (const { rolname } of rows)
      await server.query(
        `drop owned by ${escapeIdentifier(rolname)}; drop role ${escapeIdentifier(rolname)}`,
      );
    await server.end();
  });

  const schemas = async (): Promise<string[]> => {
    const { rows } = await admin.query<{ name: string }>(
      'select nspname as name from pg_namespace order by 1',
    );
    return rows.map(({ name }) => name);
  };

  /** Takes something away; `migrate` or else only `status` names it, with the command; setup puts it back. */
  const expectNamed = async (
    what: string,
    takeAway: string,
    { by = 'migrate' as 'migrate' | 'status', afterSetup = 'select' } = {},
  ): Promise<void> => {
    await admin.query(takeAway);
    const before = await schemas();
    const state = await lightningHere(['status', '--check'], env);
    const [, found = '', mend = ''] =
      state.stdout
        .split('\n')
        .map((line, i, all) => [line, line, all[i + 1] ?? ''] as const)
        .find(([line]) => line.startsWith('MEND') && line.includes(what)) ?? [];
    expect(found, `${state.stdout}${state.stderr}`).not.toBe('');
    expect(mend).toContain(`lightning setup --admin-url postgres://... --database ${databaseName}`);
    expect(state.status).toBe(3);
    if (by === 'migrate') {
      const refused = await lightningHere(['migrate'], env);
      const sentence = refused.stderr.split('\n').find((line) => line.startsWith('lightning: ')) ?? '';
      expect(sentence).toContain(what);
      expect(sentence).toContain('nothing was changed. First: lightning setup');
      expect(refused.status).toBe(1);
    }
    expect(await schemas()).toEqual(before);
    await setupServer(options());
    await admin.query(afterSetup);
    const mended = await lightningHere(['status'], env);
    expect(mended.stdout).toMatch(/^ok +setup +roles and database are as this version needs them$/m);
    expect(mended.stdout).not.toContain(what);
  };

  test('is named by migrate and status for each role that is missing', { timeout: 240_000 }, async () => {
    const { rows } = await admin.query<{ role: string }>(
      'select rolname as role from pg_roles where starts_with(rolname, $1) order by 1',
      [`${prefix}_`],
    );
    expect(rows.length).toBeGreaterThanOrEqual(11);
    for (const { role } of rows) {
      const gone = `${role}_gone`;
      await expectNamed(`role ${role}`, `alter role ${role} rename to ${gone}`, {
        afterSetup: `reassign owned by ${gone} to ${prefix}_owner; drop owned by ${gone}; drop role ${gone}`,
      });
    }
  });

  test('is named for each membership that is missing', { timeout: 240_000 }, async () => {
    const { rows } = await admin.query<{ role: string; member: string }>(
      `select distinct r.rolname as role, m.rolname as member
       from pg_auth_members a
       join pg_roles r on r.oid = a.roleid join pg_roles m on m.oid = a.member
       where starts_with(r.rolname, $1) and (starts_with(m.rolname, $1) or m.rolname = any ($2)) order by 1, 2`,
      [`${prefix}_`, Object.values(logins)],
    );
    expect(rows.length).toBeGreaterThanOrEqual(11);
    for (const { role, member } of rows) {
      const by = member.startsWith(`${prefix}_`) || member === logins.migrate ? 'migrate' : 'status';
      await expectNamed(`the membership of ${member} in ${role}`, `revoke ${role} from ${member}`, { by });
    }
  });

  const owner = `${prefix}_owner`;
  test.each([
    [`the right of ${owner} to create`, `revoke create on database ${databaseName} from ${owner}`, 'migrate'],
    [
      `the withdrawal of the right of ${prefix}_worker to create`,
      `grant create on database ${databaseName} to ${prefix}_worker`,
      'migrate',
    ],
    ['the schema graphile_worker', 'drop schema graphile_worker cascade', 'migrate'],
    [
      `the right of ${prefix}_analyst to connect`,
      `revoke connect on database ${databaseName} from ${prefix}_analyst`,
      'migrate',
    ],
    [
      `the right of ${logins.migrate} to temporary`,
      `revoke temporary on database ${databaseName} from ${logins.migrate}`,
      'migrate',
    ],
    [`the attribute createrole`, `alter role ${logins.migrate} nocreaterole`, 'migrate'],
    [`the attribute replication`, `alter role ${logins.backup} noreplication`, 'status'],
    ['the extension vector', 'drop extension vector', 'migrate'],
    ['the setting jit of', `alter database ${databaseName} reset jit`, 'migrate'],
    ['the setting search_path of', `alter database ${databaseName} reset search_path`, 'migrate'],
  ] as const)('is named for %s', async (what, takeAway, by) => {
    await expect(expectNamed(what, takeAway, { by })).resolves.toBeUndefined();
  });

  test('migrates once nothing is missing', async () => {
    const done = await lightningHere(['migrate'], env);
    expect(done.stderr).toContain('migrated: 000001.sql');
    expect(done.status).toBe(0);
    expect(await schemas()).toContain('app_public');
  });
});

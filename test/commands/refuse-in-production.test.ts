import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unfitForProduction } from '../../src/commands/refuse-in-production.ts';
import { run } from '../../src/commands/serve.ts';
import { parseConfig } from '../../src/config/parse-config.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer, readyServer } from '../support/server.ts';
import { strongSecret } from '../support/token-keys.ts';

const away = 'postgres://me:x@127.0.0.1:1/d';

describe('production', () => {
  test.each([
    [{ DATABASE_URL: away }, true],
    [{ DB_HOST: 'db.example' }, true],
    [{ DATABASE_URL: away, DEPLOYMENT: 'development' }, false],
    [{ DATABASE_URL: away, USE_DATABASE: 'false' }, false],
    [{}, false],
    [{ NODE_ENV: 'production' }, true],
    [{ NODE_ENV: 'production', DEPLOYMENT: 'development' }, false],
    [{ DEPLOYMENT: 'production' }, true],
    [{ NODE_ENV: 'test' }, false],
  ])('is %j: %s', (env, production) => {
    expect(parseConfig(env).production).toBe(production);
    // Tokens end there, after a day at most.
    expect(parseConfig(env).jwt.maxLifetimeSeconds).toBe(production ? 86_400 : null);
  });

  const reasons = (env: Record<string, string>) =>
    unfitForProduction(parseConfig({ DATABASE_URL: away, JWT_SECRET: strongSecret, ...env }));

  test('takes a good configuration', () => {
    expect(reasons({})).toEqual([]);
    for (const HOST of ['127.0.0.1', '127.8.9.1', '::1', 'localhost']) expect(reasons({ HOST })).toEqual([]);
    expect(reasons({ HOST: '0.0.0.0', PUBLIC_URL: 'https://api.example' })).toEqual([]);
    expect(reasons({ HOST: '0.0.0.0', ALLOW_PLAIN_HTTP: 'true' })).toEqual([]);
    expect(reasons({ HOST: '0.0.0.0', TLS_CERT: '/c.pem', TLS_KEY: '/k.pem' })).toEqual([]);
    expect(reasons({ JWT_SECRET: '', JWT_KEYS_URL: 'https://idp.example/keys' })).toEqual([]);
  });

  test('refuses plain HTTP beyond this machine without being told', () => {
    for (const HOST of ['0.0.0.0', '::', '10.0.0.1', 'api.example', '127.0.0.1.example', '::ffff:10.0.0.1']) {
      expect(reasons({ HOST }), HOST).toEqual([
        expect.stringContaining(`HOST is ${HOST}, which others reach`),
      ]);
    }
    expect(reasons({ HOST: '0.0.0.0', PUBLIC_URL: 'http://api.example' })).toHaveLength(1);
  });

  test('refuses a secret that can be guessed, alone or in a set, and never shows it', () => {
    const weak = 'secretsecretsecretsecretsecretsecret';
    const k = (text: string) => Buffer.from(text).toString('base64url');
    const found = [
      ...reasons({ JWT_SECRET: 'x'.repeat(32) }),
      ...reasons({ JWT_SECRET: weak }),
      ...reasons({
        JWT_SECRET: JSON.stringify({
          keys: [
            { kty: 'oct', k: k(strongSecret) },
            { kty: 'oct', k: k(weak), kid: 'old' },
          ],
        }),
      }),
    ];
    expect(found).toHaveLength(3);
    for (const reason of found) {
      expect(reason).toMatch(/^JWT_SECRET.* can be guessed: .*openssl rand -hex 32$/);
      expect(reason).not.toMatch(/secretsecret|xxxx/);
    }
    expect(found[2]).toContain('(the key "old")');
  });

  test('refuses tokens without an end', () => {
    expect(reasons({ JWT_MAX_LIFETIME_SECONDS: '0' })).toEqual([
      expect.stringContaining('JWT_MAX_LIFETIME_SECONDS is 0'),
    ]);
  });

  test('says all of it at once, and does not wait for a server that is away', async () => {
    const config = parseConfig({
      DATABASE_URL: away,
      JWT_SECRET: 'x'.repeat(32),
      HOST: '0.0.0.0',
      JWT_MAX_LIFETIME_SECONDS: '0',
    });
    const refused = await starting(config);
    expect(refused).toMatch(
      /^production is refused:\n {2}- JWT_SECRET .*\n {2}- JWT_MAX.*\n {2}- HOST .*\n.*DEPLOYMENT=/,
    );
  });

  test('is asked of an embedded database, too, before it is made', async () => {
    const config = parseConfig({ NODE_ENV: 'production', HOST: '0.0.0.0', DATA_DIR: '/gone/data' });
    expect(await starting(config)).toContain('HOST is 0.0.0.0');
  });
});

function starting(config: ReturnType<typeof parseConfig>, worker = false): Promise<string> {
  const duties = { migrate: false, api: !worker, worker };
  return run(
    config,
    duties,
    () => {},
    () => new Date(),
  ).then(
    async (running) => {
      await running.stop();
      return 'it started';
    },
    (error: Error) => error.message,
  );
}

describe.skipIf(noServer)('the logins of production', () => {
  const suffix = randomBytes(3).toString('hex');
  const names = {
    boss: `prod_boss_${suffix}`,
    under: `prod_under_${suffix}`,
    passing: `prod_passing_${suffix}`,
  };
  let made: MigratedDatabase;
  let admin: Client;

  beforeAll(async () => {
    made = await migratedDatabase();
    admin = new Client({ connectionString: made.adminUrl });
    await admin.connect();
    await admin.query(`create role ${names.boss} superuser login password 'x'`);
    await admin.query(`create role ${names.under} login password 'x' in role ${names.boss}`);
    await admin.query(`create role ${names.passing} bypassrls login password 'x'`);
    const { pathname } = new URL(made.url);
    await admin.query(`grant connect on database ${pathname.slice(1)} to ${names.passing}`);
  });
  afterAll(async () => {
    await admin.end();
    await made.drop();
    admin = new Client({ connectionString: readyServer().adminUrl });
    await admin.connect();
    // A role with rights on a database goes after the database.
    for (const name of Object.values(names)) await admin.query(`drop role ${name}`);
    await admin.end();
  });

  const as = (name: string): string =>
    Object.assign(new URL(made.url), { username: name, password: 'x' }).href;
  const env = (more: Record<string, string>) =>
    parseConfig({
      DATABASE_URL: made.urls.api,
      DB_ROLE_PREFIX: testRolePrefix,
      JWT_SECRET: strongSecret,
      PORT: '0',
      ...more,
    });

  test('are refused when one of them is a superuser, may become one, or bypasses row-level security', async () => {
    const refused = await starting(
      env({
        MIGRATE_DATABASE_URL: as(names.boss),
        WORKER_DATABASE_URL: as(names.passing),
        BACKUP_DATABASE_URL: as(names.under),
        JWT_MAX_LIFETIME_SECONDS: '0',
      }),
    );
    expect(refused.split('\n').slice(1, -1)).toEqual([
      expect.stringMatching('JWT_MAX_LIFETIME_SECONDS is 0'),
      `  - MIGRATE_DATABASE_URL: the login ${names.boss} is a superuser; make a plain one with: lightning setup`,
      `  - WORKER_DATABASE_URL: the login ${names.passing} bypasses row-level security; make a plain one with: lightning setup`,
      `  - BACKUP_DATABASE_URL: the login ${names.under} may become ${names.boss}, which is a superuser; make a plain one with: lightning setup`,
    ]);
    expect(await starting(env({ DATABASE_URL: as(names.passing) }))).toContain(
      `the login ${names.passing} bypasses`,
    );
    // The worker's process is refused for the logins as well.
    const worker = env({ DATABASE_URL: made.urls.api, WORKER_DATABASE_URL: as(names.boss) });
    expect(await starting(worker, true)).toContain(
      `WORKER_DATABASE_URL: the login ${names.boss} is a superuser`,
    );
  });

  test('are those of setup, and the backup login may read all rows', async () => {
    const { api, migrate, worker } = made.urls;
    const backup = as(names.passing);
    const urls = {
      DATABASE_URL: api,
      MIGRATE_DATABASE_URL: migrate,
      WORKER_DATABASE_URL: worker,
      BACKUP_DATABASE_URL: backup,
    };
    // It is there, and waits for the keys that it was told of.
    const config = env({ ...urls, JWT_KEYS_URL: 'http://127.0.0.1:1/keys' });
    const duties = { migrate: false, api: true, worker: false };
    const running = await run(
      config,
      duties,
      () => {},
      () => new Date(),
    );
    const answer = await fetch(`${running.url}/readyz`);
    await running.stop();
    expect(answer.status).toBe(503);
    expect(await answer.text()).toContain('the published keys of JWT_KEYS_URL could not be read yet');
  });
});

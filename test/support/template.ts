import { randomBytes } from 'node:crypto';
import { Client, escapeIdentifier, escapeLiteral } from 'pg';
import { migrate } from '../../src/db/migrations.ts';
import { setupServer } from '../../src/setup/setup-server.ts';
import { testLogins, testRolePrefix } from './logins.ts';
import type { KnownLoginUrls } from './logins.ts';

/** The migrated database of a run. No client connects to it: test files copy it. */
export interface Template {
  readonly name: string;
  readonly urls: KnownLoginUrls;
}

/**
 * Makes the template the way an operator makes a database: `lightning setup`, then `lightning migrate` as the plain
 * login that setup created. On a server that an earlier run used, the logins get new passwords.
 */
export async function makeTemplate(adminUrl: string): Promise<Template> {
  const name = `lightning_template_${randomBytes(4).toString('hex')}`;
  const made = await setupServer({
    adminUrl,
    databaseName: name,
    rolePrefix: testRolePrefix,
    logins: testLogins,
    log: () => {},
  });
  const admin = new Client({ connectionString: adminUrl });
  await admin.connect();
  try {
    const known = async (kind: keyof KnownLoginUrls): Promise<string> => {
      const url = made[kind];
      if (url !== null) return url;
      const password = randomBytes(16).toString('hex');
      await admin.query(
        `alter role ${escapeIdentifier(testLogins[kind])} password ${escapeLiteral(password)}`,
      );
      return Object.assign(new URL(adminUrl), { username: testLogins[kind], password, pathname: `/${name}` })
        .href;
    };
    const urls = {
      api: await known('api'),
      migrate: await known('migrate'),
      worker: await known('worker'),
      backup: await known('backup'),
    };
    await migrate({ connectionString: urls.migrate, rolePrefix: testRolePrefix, log: console.log });
    await takeAwayProtection(Object.assign(new URL(adminUrl), { pathname: `/${name}` }).href);
    await untilNobodyIsConnected(admin, name);
    return { name, urls };
  } finally {
    await admin.end();
  }
}

/** Takes a check or a trigger away where a run tries whether its tests notice (test/protections/). */
async function takeAwayProtection(url: string): Promise<void> {
  const removal = process.env['LIGHTNING_TEST_WITHOUT'];
  if (removal === undefined) return;
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(removal);
  } finally {
    await client.end();
  }
}

/**
 * Waits until the database has no connections, because only then can it be copied; graphile-migrate's pool lingers for
 * a moment.
 */
async function untilNobodyIsConnected(admin: Client, name: string): Promise<void> {
  for (;;) {
    const { rowCount } = await admin.query('select from pg_stat_activity where datname = $1', [name]);
    if (rowCount === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

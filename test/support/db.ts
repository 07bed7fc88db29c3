import { randomBytes } from 'node:crypto';
import { Client, escapeIdentifier } from 'pg';
import { setupServer } from '../../src/setup/setup-server.ts';
import { testLogins, testRolePrefix } from './logins.ts';
import type { KnownLoginUrls } from './logins.ts';
import { readyServer } from './server.ts';

/** A database that belongs to one test file. */
export interface FreshDatabase {
  /** The same user, host and port as the URL it was made with. */
  readonly url: string;
  /** Closes every connection to it and removes it. May be called more than once. */
  drop(): Promise<void>;
}

/**
 * Creates a database with a random name on the server, which the test file drops when it is done. It is a copy of
 * `template`, a database without connections; without a template it is empty. A run prepares its template once, and
 * every file copies it: copying costs a fraction of migrating.
 */
export async function freshDatabase(adminUrl: string, template = 'template1'): Promise<FreshDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await asAdmin(adminUrl, `create database ${escapeIdentifier(name)} template ${escapeIdentifier(template)}`);
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    drop: () => asAdmin(adminUrl, `drop database if exists ${escapeIdentifier(name)} with (force)`),
  };
}

/** A test file's own migrated database on the run's server, with the URLs of the four plain logins. */
export interface MigratedDatabase extends FreshDatabase {
  /** A superuser, to arrange and inspect; what it sees proves nothing. */
  readonly adminUrl: string;
  readonly urls: KnownLoginUrls;
}

/** A copy of the run's template. `drop` it. */
export async function migratedDatabase(): Promise<MigratedDatabase> {
  const { adminUrl, template } = readyServer();
  const fresh = await freshDatabase(adminUrl, template.name);
  const databaseName = new URL(fresh.url).pathname.slice(1);
  // Privileges on a database and its settings are not copied with it.
  await setupServer({
    adminUrl,
    databaseName,
    rolePrefix: testRolePrefix,
    logins: testLogins,
    log: () => {},
  });
  const inThisDatabase = (url: string) => Object.assign(new URL(url), { pathname: `/${databaseName}` }).href;
  return {
    ...fresh,
    adminUrl: fresh.url,
    urls: {
      api: inThisDatabase(template.urls.api),
      migrate: inThisDatabase(template.urls.migrate),
      worker: inThisDatabase(template.urls.worker),
      backup: inThisDatabase(template.urls.backup),
    },
  };
}

async function asAdmin(adminUrl: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

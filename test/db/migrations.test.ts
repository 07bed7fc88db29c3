import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Client, escapeIdentifier } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrate, migrationState } from '../../src/db/migrations.ts';
import { setupServer } from '../../src/setup/setup-server.ts';
import { freshDatabase, migratedDatabase } from '../support/db.ts';
import { testLogins, testRolePrefix } from '../support/logins.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer, readyServer } from '../support/server.ts';

describe.skipIf(noServer)('migrating', () => {
  let fresh: Awaited<ReturnType<typeof freshDatabase>>;
  let url: string;

  beforeAll(async () => {
    const { adminUrl, template } = readyServer();
    fresh = await freshDatabase(adminUrl);
    const databaseName = new URL(fresh.url).pathname.slice(1);
    await setupServer({
      adminUrl,
      databaseName,
      rolePrefix: testRolePrefix,
      logins: testLogins,
      log: () => {},
    });
    // As setups before migration 24 left it.
    await alone(fresh.url, `alter database ${escapeIdentifier(databaseName)} reset jit`);
    url = Object.assign(new URL(template.urls.migrate), { pathname: `/${databaseName}` }).href;
  });
  afterAll(() => fresh?.drop());

  test('by three processes at once is done by one, and the others wait for it', async () => {
    const script = fileURLToPath(new URL('../support/migrate-process.ts', import.meta.url));
    const ran = await Promise.all(
      [1, 2, 3].map(async () => {
        const child = fork(script, [url, testRolePrefix]);
        const [[message], [code]] = await Promise.all([once(child, 'message'), once(child, 'exit')]);
        expect(code).toBe(0);
        return message as string[];
      }),
    );
    const committed = (await readdir(new URL('../../migrations/committed', import.meta.url))).filter((file) =>
      file.endsWith('.sql'),
    );
    expect(committed.length).toBeGreaterThan(0);
    expect(ran.map((names) => names.length).toSorted()).toEqual([0, 0, committed.length]);
  }, 60_000);

  test('switches compilation off in a database that was there before setup did', async () => {
    expect(await alone(url, 'show jit')).toEqual([{ jit: 'off' }]);
  });

  test('what is migrated runs nothing', async () => {
    const options = { connectionString: url, rolePrefix: testRolePrefix, log: () => {} };
    expect(await migrate(options)).toEqual([]);
  });
});

describe.skipIf(noServer)('the state of the schema', () => {
  test('is asked by a request without a token, and names what is missing or unknown', async () => {
    const database = await migratedDatabase();
    const api = serverDatabase(database.urls.api);
    const admin = new Client({ connectionString: database.adminUrl });
    await admin.connect();
    const state = () =>
      migrationState({
        query: (statement) => api.queryWith({ role: 'lightning_anon' }, statement),
      });
    try {
      expect(await state()).toEqual({ kind: 'current' });
      await admin.query(
        "insert into graphile_migrate.migrations (hash, filename) values ('sha1:later', '999999.sql')",
      );
      expect(await state()).toEqual({ kind: 'ahead', unknown: ['999999.sql'] });
      await admin.query("delete from graphile_migrate.migrations where filename <> '000001.sql'");
      expect(await state()).toMatchObject({
        kind: 'behind',
        missing: expect.arrayContaining(['000002.sql']),
      });
    } finally {
      await admin.end();
      await api.close();
      await database.drop();
    }
  });
});

/** The rows of one statement, over a connection of its own. */
async function alone(connectionString: string, statement: string): Promise<unknown[]> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

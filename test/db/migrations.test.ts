import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requireSchema } from '../../src/commands/require-schema.ts';
import type { Executor } from '../../src/db/database.ts';
import { MigrationsReplaced, migrate, migrationState } from '../../src/db/migrations.ts';
import { startEmbedded } from '../../src/embedded/embedded.ts';
import { setupServer } from '../../src/setup/setup-server.ts';
import { freshDatabase, migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { lightning } from '../support/lightning.ts';
import { testLogins, testRolePrefix } from '../support/logins.ts';
import { serverDatabase } from '../support/server-database.ts';
import { makeReplaced } from '../support/replaced-migrations.ts';
import { noServer, readyServer } from '../support/server.ts';
import { strongSecret } from '../support/token-keys.ts';

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

  test('finds compilation switched off by the setup', async () => {
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
      await admin.query('delete from graphile_migrate.migrations');
      expect(await state()).toMatchObject({
        kind: 'behind',
        missing: expect.arrayContaining(['000001.sql']),
      });
    } finally {
      await admin.end();
      await api.close();
      await database.drop();
    }
  });
});

describe('a database of migrations that were replaced', () => {
  describe.skipIf(noServer)('on a server', () => {
    let database: MigratedDatabase;

    beforeAll(async () => {
      database = await migratedDatabase();
      await makeReplaced(database.adminUrl);
    });
    afterAll(() => database?.drop());

    test('is refused by lightning migrate, which says to make a new one and changes nothing', async () => {
      const before = await dump(database.adminUrl);
      const { status, stderr } = await lightning(['migrate'], {
        DATABASE_URL: database.urls.api,
        MIGRATE_DATABASE_URL: database.urls.migrate,
        JWT_SECRET: strongSecret,
      });
      expect(stderr).toMatch(/no upgrade leads from them.*nothing of it was changed.*Make a new database/s);
      expect(status).toBe(1);
      expect(await dump(database.adminUrl)).toBe(before);
    });

    test('is known as such by a request without a token, and by commands that only look', async () => {
      const api = serverDatabase(database.urls.api);
      try {
        const executor: Executor = {
          query: (statement) => api.queryWith({ role: 'lightning_anon' }, statement),
        };
        expect(await migrationState(executor)).toEqual({ kind: 'replaced' });
        await expect(requireSchema(executor, 'accepted')).rejects.toThrow(MigrationsReplaced);
      } finally {
        await api.close();
      }
      const { stdout } = await lightning(['status'], {
        DATABASE_URL: database.urls.api,
        MIGRATE_DATABASE_URL: database.urls.migrate,
        JWT_SECRET: strongSecret,
      });
      expect(stdout).toMatch(/MEND schema +the database was made by migrations that were replaced/);
    });
  });

  test('that is embedded is refused by lightning start, and the same after it', async () => {
    const directory = await migratedDataDirectory();
    try {
      const rows = async (change?: (connectionString: string) => Promise<void>): Promise<unknown> => {
        const embedded = await startEmbedded({ dataDirectory: directory });
        try {
          await change?.(embedded.connectionString);
          return await alone(embedded.connectionString, everyRow);
        } finally {
          await embedded.close();
        }
      };
      const before = await rows(makeReplaced);
      const { status, stderr } = await lightning(['start'], { DATA_DIR: directory, PORT: '0' });
      expect(stderr).toMatch(/nothing of it was changed.*another DATA_DIR/s);
      expect(status).toBe(1);
      expect(await rows()).toEqual(before);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});

/** A digest of the rows of every table of ours, with the transactions that wrote them. */
const everyRow = `
  select c.oid::regclass::text as name, query_to_xml(
    format('select md5(string_agg(x.xmin || x::text, '','' order by x.ctid)) as digest from %s x', c.oid::regclass),
    true, false, ''
  )::text as digest
  from pg_class c
  where c.relkind = 'r' and c.relnamespace::regnamespace::text in ('app_public', 'app_private', 'audit', 'ops', 'legacy', 'graphile_migrate')
  order by 1`;

/** Everything that pg_dump says of a database. */
async function dump(url: string): Promise<string> {
  const { binDirectory } = readyServer();
  if (binDirectory === undefined) throw new Error('the server of this run comes without pg_dump');
  const { stdout } = await promisify(execFile)(join(binDirectory, 'pg_dump'), [`--dbname=${url}`], {
    maxBuffer: 100_000_000,
  });
  // A word that is random each time.
  return stdout.replaceAll(/^\\(un)?restrict .*$/gm, '');
}

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

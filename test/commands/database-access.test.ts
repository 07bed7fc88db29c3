import { globSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CommandContext } from '../../src/commands/command-context.ts';
import { asApi, asOperator, asReader, asWorker } from '../../src/commands/database-access.ts';
import { parseConfig } from '../../src/config/parse-config.ts';
import type { Executor } from '../../src/db/database.ts';
import { sql } from '../../src/db/statement.ts';
import { isListening } from '../../src/embedded/socket-file.ts';
import { commandContext } from '../support/command-context.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { lightningHere } from '../support/lightning-here.ts';
import { noServer } from '../support/server.ts';
import { strongSecret } from '../support/token-keys.ts';

const whoAmI = async (executor: Executor): Promise<string> => {
  const { rows } = await executor.query<{ role: string }>(sql`select current_user as role`);
  return rows[0]!.role;
};

/** Every way to the database, and what it opens. */
const ways: readonly (readonly [
  name: string,
  way: <T>(context: CommandContext, work: (executor: Executor) => Promise<T>) => Promise<T>,
])[] = [
  ['asOperator', (context, work) => asOperator(context, 'change', ({ database }) => work(database))],
  ['asWorker', (context, work) => asWorker(context, 'change', ({ database }) => work(database))],
  ['asReader', asReader],
  [
    'asApi',
    (context, work) =>
      asApi(context, parseConfig(context.environment.variables), ({ executor }) => work(executor!)),
  ],
];

test('no command opens or closes a database by hand', () => {
  // Serving keeps a database open for as long as the process runs, and waits in it for the data of a rollback before its doors open.
  const allowed = ['await-load.ts', 'database-access.ts', 'serve.ts', 'with-connections.ts'];
  const opening = globSync('src/commands/*.ts').filter((file) =>
    /\b(openConnections|apiDatabase|operatorDatabase|workerDatabase|startEmbedded)\(/.test(
      readFileSync(file, 'utf8'),
    ),
  );
  expect(opening.toSorted()).toEqual(allowed.map((file) => `src/commands/${file}`));
});

describe('on an embedded database', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await migratedDataDirectory();
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  test.each(ways)(
    '%s closes what it opened, even when the work fails',
    async (_, way) => {
      const { context } = commandContext({ DATA_DIR: directory });
      await expect(way(context, () => Promise.reject(new Error('the work failed')))).rejects.toThrow(
        'the work failed',
      );
      expect(await isListening(directory)).toBe(false);
      expect(await way(context, whoAmI)).toBe('postgres');
    },
    60_000,
  );
});

describe.skipIf(noServer)('on a server', () => {
  let made: MigratedDatabase;
  let admin: Client;
  let env: Record<string, string>;
  beforeAll(async () => {
    made = await migratedDatabase();
    admin = new Client({ connectionString: made.adminUrl });
    await admin.connect();
    env = {
      DATABASE_URL: made.urls.api,
      MIGRATE_DATABASE_URL: made.urls.migrate,
      WORKER_DATABASE_URL: made.urls.worker,
      JWT_SECRET: strongSecret,
    };
  });
  afterAll(async () => {
    await admin.end();
    await made.drop();
  });
  const others = async (): Promise<number> => {
    const { rows } = await admin.query<{ count: number }>(
      'select count(*)::int from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    );
    return rows[0]!.count;
  };

  test.each(ways)('%s closes its connections, even when the work fails', async (_, way) => {
    const { context } = commandContext(env);
    let during = 0;
    const fails = way(context, async (executor) => {
      await whoAmI(executor);
      during = await others();
      throw new Error('the work failed');
    });
    await expect(fails).rejects.toThrow('the work failed');
    expect(during).toBeGreaterThan(0);
    await expect.poll(others).toBe(0);
  });

  test("asReader is the worker, or the owner without the worker's login, and names what is missing without both", async () => {
    const { WORKER_DATABASE_URL: worker = '', MIGRATE_DATABASE_URL: migrate = '', ...api } = env;
    const roleOf = (variables: Record<string, string>) =>
      asReader(commandContext({ ...api, ...variables }).context, whoAmI);
    expect(await roleOf({ WORKER_DATABASE_URL: worker })).toBe('lightning_worker');
    expect(await roleOf({ WORKER_DATABASE_URL: worker, MIGRATE_DATABASE_URL: migrate })).toBe(
      'lightning_worker',
    );
    expect(await roleOf({ MIGRATE_DATABASE_URL: migrate })).toBe('lightning_owner');
    for (const command of ['jobs', 'alerts']) {
      const { status, stderr } = await lightningHere([command], api);
      expect(stderr).toMatch(/^lightning: expected WORKER_DATABASE_URL or MIGRATE_DATABASE_URL to be set; /);
      expect(status).toBe(1);
    }
    // Status asks for as much as this login may see.
    const { status, stdout } = await lightningHere(['status'], api);
    expect(stdout).toMatch(/^ok +schema +current$/m);
    expect(stdout).not.toMatch(/^\S+ +workers/m);
    expect(status).toBe(0);
  });
});

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLogin, dropLogin } from '../../../src/commands/login.ts';
import type { PostgresDatabase } from '../../../src/db/postgres.ts';
import { migratedDatabase } from '../../support/db.ts';
import type { MigratedDatabase } from '../../support/db.ts';
import { debianPython } from '../../support/debian-tools.ts';
import { docBlocks } from '../../support/doc-blocks.ts';
import { installationIn } from '../../support/installation.ts';
import { lacks } from '../../support/lacks.ts';
import { sqlalchemy2 } from '../../support/sqlalchemy-2.ts';
import { noServer } from '../../support/server.ts';
import { serverDatabase } from '../../support/server-database.ts';

const lacksPython = lacks('python3-psycopg') || lacks('python3-psycopg2') || lacks('python3-sqlalchemy');

describe.skipIf(noServer || lacksPython)("docs/python.md, followed with a service's own login", () => {
  const planner = `planner_${randomBytes(4).toString('hex')}`;
  let made: MigratedDatabase;
  let operator: PostgresDatabase;
  let admin: Client;
  let address: string;
  let blocks: readonly string[];

  beforeAll(async () => {
    blocks = await docBlocks('docs/python.md', 'python');
    made = await migratedDatabase();
    operator = serverDatabase(made.urls.migrate);
    admin = new Client({ connectionString: made.adminUrl });
    await admin.connect();
    await admin.query("select ops.create_tenant('other', 'Other')");
    const password = await createLogin(installationIn(operator), planner, 'default', {}, { role: 'service' });
    const url = Object.assign(new URL(made.url), { username: planner, password });
    address = url.href.replace(/^postgres:/, 'postgresql:');
  });
  afterAll(async () => {
    if (operator) await dropLogin(installationIn(operator), planner);
    await Promise.all([operator?.close(), admin?.end()]);
    await made?.drop();
  });

  /** The lines that a block prints. */
  async function run(block: number, pythonPath = ''): Promise<string[]> {
    const { stdout } = await promisify(execFile)(debianPython, ['-c', blocks[block]!], {
      env: { DATABASE_URL: address, PYTHONPATH: pythonPath },
      timeout: 60_000,
    });
    return stdout.trim().split('\n');
  }

  test.each([
    ['1.4', () => Promise.resolve('')],
    ['2.0', sqlalchemy2],
  ] as const)(
    'SQLAlchemy %s adds an agent and a task, reads the newest tasks, and changes a state',
    async (_, folder) => {
      await admin.query('delete from app_public.tasks');
      await admin.query('delete from app_public.agents');
      expect(blocks).toHaveLength(3);
      expect(await run(0, await folder())).toEqual(['sum up 7 True']);
      const { rows } = await admin.query(
        `select table_name, operation, subject, role = $1 as itself, login = $1 as named, tenant_id from audit.log
       where login = $1 order by id desc limit 3`,
        [planner],
      );
      const by = { subject: null, itself: true, named: true, tenant_id: 'default' };
      expect(rows.toReversed()).toEqual([
        { ...by, table_name: 'app_public.agents', operation: 'insert' },
        { ...by, table_name: 'app_public.tasks', operation: 'insert' },
        { ...by, table_name: 'app_public.agents', operation: 'update' },
      ]);
    },
  );

  test('a worker claims by psycopg and completes', async () => {
    expect(await run(1)).toEqual(['sum up completed did: sum up']);
  });

  test('what no login may do is refused, and nothing is harmed', async () => {
    // The table is there, so Postgres says so and does nothing; app_public is first on the path.
    expect(await run(2)).toEqual(['42501', '42501', '42501', '42501', '42501']);
  });

  test('the watch over logins ends no session of a service that writes, and one that is beyond its time', async () => {
    const client = new Client({ connectionString: address });
    client.on('error', () => {});
    await client.connect();
    try {
      await client.query("begin; insert into tasks (description) values ('one of many')");
      // The triggers of live updates hold a lock until the transaction ends.
      const { rows } = await admin.query(
        `select from pg_locks l join pg_stat_activity a on a.pid = l.pid where a.usename = $1 and l.locktype = 'advisory'`,
        [planner],
      );
      expect(rows.length).toBeGreaterThan(0);
      const { rows: ended } = await admin.query('select e as ended from ops.end_excesses() e');
      expect(ended).toEqual([]);
      await client.query('commit');
      await admin.query(
        `update app_private.tenant_logins set idle_in_transaction_seconds = 1, transaction_seconds = 1 where login = $1`,
        [planner],
      );
      await client.query('begin; select 1');
      await expect
        .poll(async () => (await admin.query('select e as ended from ops.end_excesses() e')).rows, {
          timeout: 10_000,
        })
        .toMatchObject([{ ended: { login: planner } }]);
    } finally {
      await client.end().catch(() => {});
    }
  });
});

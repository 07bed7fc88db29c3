import { randomBytes } from 'node:crypto';
import { Client, escapeIdentifier } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setupServer } from '../../src/setup/setup-server.ts';
import { noServer, readyServer } from '../support/server.ts';

const suffix = randomBytes(3).toString('hex');
const prefix = `aged${suffix}`;
const keeper = `${prefix}_keeper`;
const logins = {
  api: `aged_api_${suffix}`,
  migrate: `aged_migrate_${suffix}`,
  worker: `aged_worker_${suffix}`,
  backup: `aged_backup_${suffix}`,
};
const databases = [`test_aged_${suffix}`, `test_aged_too_${suffix}`] as const;

/** What an earlier version left: a role that owns a table of points, and that the worker's login can become. */
const asBefore = `
  create schema app_public authorization ${prefix}_owner;
  create table app_public.metrics (value integer);
  grant usage, create on schema app_public to ${keeper};
  alter table app_public.metrics owner to ${keeper};
  grant create on database :name to ${prefix}_worker`;

describe.skipIf(noServer)('the keeper of an earlier version', () => {
  const log: string[] = [];
  const clients: Client[] = [];
  const setup = (databaseName: string) =>
    setupServer({
      adminUrl: readyServer().adminUrl,
      databaseName,
      rolePrefix: prefix,
      logins,
      log: (line) => log.push(line),
    });
  const open = async (database: string): Promise<Client> => {
    const client = new Client({
      connectionString: Object.assign(new URL(readyServer().adminUrl), { pathname: `/${database}` }).href,
    });
    await client.connect();
    clients.push(client);
    return client;
  };
  const ownerOf = async (client: Client): Promise<string> =>
    (
      await client.query<{ owner: string }>(
        "select relowner::regrole::text as owner from pg_class where oid = 'app_public.metrics'::regclass",
      )
    ).rows[0]?.owner ?? '';
  const membersOfKeeper = async (client: Client): Promise<number | null> => {
    const { rows } = await client.query<{ members: number }>(
      `select (select count(*)::int from pg_auth_members m where m.roleid = r.oid) as members from pg_roles r where rolname = $1`,
      [keeper],
    );
    return rows[0]?.members ?? null;
  };

  beforeAll(async () => {
    for (const database of databases) await setup(database);
    const admin = await open('postgres');
    await admin.query(`create role ${keeper} nologin noinherit`);
    await admin.query(`grant ${keeper} to ${prefix}_owner with inherit true, set true`);
    await admin.query(`grant ${keeper} to ${logins.worker} with inherit false, set true`);
    for (const database of databases) await (await open(database)).query(asBefore.replace(':name', database));
  });
  afterAll(async () => {
    const [admin, ...others] = clients;
    for (const client of others) await client.end();
    for (const database of databases)
      await admin!.query(`drop database if exists ${escapeIdentifier(database)} with (force)`);
    const { rows } = await admin!.query<{ rolname: string }>(
      'select rolname from pg_roles where rolname = any ($1) or starts_with(rolname, $2)',
      [Object.values(logins), `${prefix}_`],
    );
    for (const { rolname } of rows)
      await admin!.query(
        `drop owned by ${escapeIdentifier(rolname)}; drop role ${escapeIdentifier(rolname)}`,
      );
    await admin!.end();
  });

  test('loses its members and the tables of a database when setup runs there, and goes with the last database', async () => {
    const [admin, first, second] = clients;
    expect([await ownerOf(first!), await membersOfKeeper(admin!)]).toEqual([keeper, 2]);
    await setup(databases[0]);
    expect(log.at(-1)).toContain(`role ${keeper} of earlier versions has no members any more; it stays`);
    expect([await ownerOf(first!), await ownerOf(second!), await membersOfKeeper(admin!)]).toEqual([
      `${prefix}_owner`,
      keeper,
      0,
    ]);
    await setup(databases[1]);
    expect(log.at(-1)).toBe(`role ${keeper} of earlier versions removed`);
    expect([await ownerOf(second!), await membersOfKeeper(admin!)]).toEqual([`${prefix}_owner`, null]);
  });

  test('takes the right to make schemas with it, which the worker had', async () => {
    const { rows } = await clients[1]!.query(
      "select has_database_privilege($1, current_database(), 'create') as may",
      [`${prefix}_worker`],
    );
    expect(rows).toEqual([{ may: false }]);
  });

  test('leaves a setup that has none as it is', async () => {
    const before = log.length;
    await setup(databases[0]);
    expect(log.slice(before).filter((line) => line.includes('keeper'))).toEqual([]);
  });
});

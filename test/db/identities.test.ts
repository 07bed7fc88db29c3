import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLogin, dropLogin } from '../../src/commands/login.ts';
import { allRoleNames } from '../../src/db/roles.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { describeIdentities, formatPowers, parsePowers } from '../support/describe-identities.ts';
import type { Power } from '../support/describe-identities.ts';
import { installationIn } from '../support/installation.ts';
import { migrateQueue } from '../support/job-queue.ts';
import { testLogins, testRolePrefix } from '../support/logins.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer } from '../support/server.ts';

const file = fileURLToPath(new URL('identities.txt', import.meta.url));
const command = 'IDENTITIES=write npm test -- test/db/identities';

const preface = `What each role and login may do in a database of the newest migration, from its catalog. Every line is a power that somebody
gave. Before you add one: who holds this identity's password, and what does a thief gain by the line? Could a narrower function do,
or a grant on single columns? Then write it here, or run

  ${command}

and read the diff. A login has its own powers, those of the roles that it inherits or may become, and those of PUBLIC.
"as lightning_owner" stands for a definer function: it has the rights of its owner.

`;

describe.skipIf(noServer)('the powers of each identity', () => {
  let database: MigratedDatabase;
  let admin: Client;
  let names: ReadonlyMap<string, string>;
  let found: readonly Power[];
  const analyst = `test_powers_${process.pid}`;
  const service = `test_service_powers_${process.pid}`;

  beforeAll(async () => {
    database = await migratedDatabase();
    admin = new Client({ connectionString: database.adminUrl });
    await admin.connect();
    await migrateQueue(database.urls.worker);
    await admin.query("select ops.create_tenant('acme', 'Acme')");
    const migrate = serverDatabase(database.urls.migrate);
    try {
      await createLogin(installationIn(migrate), analyst, 'acme');
      await createLogin(installationIn(migrate), service, 'acme', {}, { role: 'service' });
    } finally {
      await migrate.close();
    }
    names = new Map([
      ...allRoleNames(testRolePrefix).map((role) => [role, role] as const),
      ...Object.entries(testLogins).map(([kind, login]) => [login, `the login of ${kind}`] as const),
      [analyst, 'the login of an analyst'],
      [service, 'the login of a service'],
    ]);
    found = await describeIdentities(admin, names);
  });
  afterAll(async () => {
    if (database) {
      const migrate = serverDatabase(database.urls.migrate);
      await dropLogin(installationIn(migrate), analyst);
      await dropLogin(installationIn(migrate), service);
      await migrate.close();
    }
    await admin?.end();
    await database?.drop();
  });

  const line = ({ who, how, what }: Power) => `${who}, ${how}: ${what}`;

  test('are those of identities.txt: a new one is refused until somebody writes it there', async () => {
    if (process.env['IDENTITIES'] === 'write') await writeFile(file, preface + formatPowers(found));
    const text = await readFile(file, 'utf8');
    const [written, present] = [parsePowers(text).map(line), found.map(line)];
    expect(written.length, 'test/db/identities.txt says next to nothing').toBeGreaterThan(300);
    const faults = [
      ...present
        .filter((power) => !written.includes(power))
        .map(
          (power) =>
            `NEW    ${power}\n       Does a thief of this identity gain by it? Then say so in test/db/identities.txt, or: ${command}`,
        ),
      ...written
        .filter((power) => !present.includes(power))
        .map(
          (power) => `GONE   ${power}\n       Take the line out of test/db/identities.txt, or: ${command}`,
        ),
    ];
    expect(faults.join('\n')).toBe('');
    expect(text, `the order or the preface differs: ${command}`).toBe(preface + formatPowers(found));
  });

  test.each([
    [
      'a right on a table',
      'grant select on audit.log to lightning_anon',
      'lightning_anon, select: audit.log',
    ],
    [
      'a right on a column',
      'grant update (tenant_id) on app_public.tasks to lightning_member',
      /^lightning_member, update: app_public\.tasks \(.*tenant_id.*\)$/,
    ],
    [
      "PUBLIC's right on a table",
      'grant select on app_public.tasks to public',
      'PUBLIC, select: app_public.tasks',
    ],
    [
      'a right on a partition',
      `do $$ begin execute format('grant delete on %s to lightning_anon',
         (select inhrelid::regclass from pg_inherits where inhparent = 'audit.log'::regclass limit 1)); end $$`,
      'lightning_anon, delete: audit.log (its partitions)',
    ],
    [
      'a function that everybody may execute, as functions are made',
      'create function ops.mine() returns int language sql security definer return 1',
      /^PUBLIC, executes: ops\.mine\(\) as \S+$/,
    ],
    [
      'a function of Postgres',
      'grant execute on function pg_read_file(text) to lightning_operator',
      'lightning_operator, executes: pg_catalog.pg_read_file(text)',
    ],
    [
      'a function of Postgres, for everybody',
      'grant execute on function pg_ls_dir(text) to public',
      'PUBLIC, executes: pg_catalog.pg_ls_dir(text)',
    ],
    [
      'a view of Postgres',
      'grant select on pg_authid to lightning_analyst',
      'lightning_analyst, select: pg_catalog.pg_authid',
    ],
    [
      'a membership',
      'grant lightning_owner to agent_worker',
      'the login of worker, becomes: lightning_owner',
    ],
    [
      'a predefined role',
      'grant pg_execute_server_program to lightning_worker',
      'lightning_worker, becomes: pg_execute_server_program',
    ],
    [
      'an attribute',
      'alter role agent_user bypassrls',
      'the login of api, is: not bound by row-level security',
    ],
    [
      'a schema to make things in',
      'grant create on schema public to public',
      'PUBLIC, create: schema public',
    ],
    [
      'temporary tables',
      'grant temporary on database :name to lightning_analyst',
      'lightning_analyst, temporary: this database',
    ],
    [
      'a parameter',
      'grant set on parameter log_statement to lightning_worker',
      'lightning_worker, configures: log_statement',
    ],
    [
      'a default',
      'alter default privileges for role lightning_owner grant select on tables to public',
      /^PUBLIC, gets by default: select on tables/,
    ],
    [
      'a table to own',
      'alter table app_public.metrics owner to lightning_worker',
      'lightning_worker, owns: a relation in app_public',
    ],
    [
      'a function to own',
      'alter function ops.check_alerts() owner to lightning_worker',
      /^lightning_worker, owns: ops\.check_alerts/,
    ],
    [
      'a large object',
      'select lo_create(4711); grant select on large object 4711 to public',
      'PUBLIC, uses the large object: 4711',
    ],
    [
      'a setting of a login',
      'alter role agent_user set session_replication_role to replica',
      'the login of api, starts with: session_replication_role',
    ],
    [
      'a stranger among the grantees',
      'create role newcomer; grant select on app_public.tasks to newcomer',
      'newcomer, select: app_public.tasks',
    ],
  ] as const)('%s that nobody wrote down is found', async (_what, change, expected) => {
    await admin.query('begin');
    try {
      await admin.query(change.replace(':name', new URL(database.url).pathname.slice(1)));
      const before = new Set(found.map(line));
      const added = (await describeIdentities(admin, names)).map(line).filter((power) => !before.has(power));
      const matches = (power: string) =>
        typeof expected === 'string' ? power === expected : expected.test(power);
      expect(added.filter(matches), `not among the new powers: ${added.join('; ')}`).toHaveLength(1);
    } finally {
      await admin.query('rollback');
    }
  });
});

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signToken } from '../../src/auth/jwt.ts';
import { roleName } from '../../src/db/roles.ts';
import { startApp, testSecret } from '../support/app.ts';
import { tryQuery } from '../support/attempts.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { migrateQueue } from '../support/job-queue.ts';
import { lightningHere } from '../support/lightning-here.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer, readyServer } from '../support/server.ts';
import { other, own, suspended, twoTenants } from '../support/two-tenants.ts';
import type { TwoTenants } from '../support/two-tenants.ts';

const run = promisify(execFile);
const page = await readFile(fileURLToPath(new URL('../../SECURITY.md', import.meta.url)), 'utf8');
/** The rows of the table of identities: who, and what it can do at worst. */
const rows = (/^## Identities\n([\s\S]*?)(?=^## )/m.exec(page)?.[1] ?? '')
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .slice(2)
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, who = '', worst = '']) => [who, worst] as const);

const role = (name: Parameters<typeof roleName>[1]) => roleName(testRolePrefix, name);

describe.skipIf(noServer)('at worst', () => {
  let world: TwoTenants;
  const clients: Client[] = [];

  beforeAll(async () => {
    world = await twoTenants();
    await migrateQueue(world.database.urls.worker);
  });
  afterAll(async () => {
    for (const client of clients) await client.end();
    await world?.close();
  });

  async function open(url: string): Promise<Client> {
    const client = new Client({ connectionString: url });
    await client.connect();
    clients.push(client);
    return client;
  }

  /** The API's login as a request of a tenant. */
  async function requester(name: 'anon' | 'member' | 'service' | 'admin', tenant = own): Promise<Client> {
    const client = await open(world.database.urls.api);
    await client.query("select set_config('role', $1, false), set_config('app.tenant_id', $2, false)", [
      role(name),
      tenant,
    ]);
    return client;
  }

  /** How many rows of each tenant a login sees in a table; null: it may not look. */
  async function tenantsSeen(client: Client, table: string, column = 'tenant_id'): Promise<string[] | null> {
    if ((await tryQuery(client, `select ${column} from ${table}`)) !== 'done') return null;
    const found = await client.query<{ tenant: string }>(
      `select distinct ${column} as tenant from ${table} where ${column} is not null order by 1`,
    );
    return found.rows.map(({ tenant }) => tenant);
  }

  const contents = ['agents', 'tasks', 'knowledge', 'workflows', 'metrics', 'threads', 'messages'].map(
    (name) => `app_public.${name}`,
  );
  const logged = async () =>
    (await world.admin.query<{ count: string }>('select count(*) from audit.log')).rows[0]?.count;
  const refused = async (client: Client, ...statements: string[]) => {
    for (const statement of statements)
      expect([statement, await tryQuery(client, statement)]).toEqual([statement, '42501']);
  };
  const allowed = async (client: Client, ...statements: string[]) => {
    for (const statement of statements)
      expect([statement, await tryQuery(client, statement)]).toEqual([statement, 'done']);
  };
  /** What no login but that of migrations and a superuser may do. */
  const beyond = [
    'update audit.log set subject = null',
    'delete from audit.log',
    'truncate audit.log',
    "insert into audit.log (tenant_id, table_name, operation) values ('acme', 'x', 'delete')",
    'create table app_public.mine ()',
    'create schema mine',
    'drop table app_public.metrics_day',
    'alter table app_public.tasks disable row level security',
    'create role mine',
    `set role ${role('owner')}`,
    `set role ${role('search')}`,
    `set role ${role('jobs')}`,
    "set session_replication_role = 'replica'",
  ];
  /** Sees its own tenant in all of these tables, writes nothing of another and is none of those above. */
  async function expectOneTenant(client: Client): Promise<void> {
    for (const table of contents) expect([table, await tenantsSeen(client, table)]).toEqual([table, [own]]);
    await refused(
      client,
      ...beyond,
      `insert into app_public.agents (tenant_id, id, name, model) values ('${other}', 'x', 'x', 'x')`,
    );
    const changed = await client.query(
      `update app_public.agents set name = 'x' where tenant_id = '${other}'`,
    );
    expect(changed.rowCount).toBe(0);
  }
  const writesOfPeople = [
    "insert into app_public.tasks (description) values ('x')",
    "update app_public.agents set name = 'x'",
    "insert into app_public.knowledge (content) values ('x')",
    `select app_public.append_messages(id, '[{"role": "user", "content": "x"}]') from app_public.threads`,
  ];
  const writesOfServices = [
    "insert into app_public.metrics (service_name, metric_name, value) values ('s', 'm', 1)",
    "update app_public.sessions set expires_at = now() + interval '1 hour'",
  ];

  const trials: Record<string, () => Promise<void>> = {
    anon: async () => {
      const client = await requester('anon');
      for (const table of [...contents, 'app_public.sessions', 'audit.log'])
        expect(await tenantsSeen(client, table)).toBe(null);
      await refused(client, ...beyond, ...writesOfPeople, ...writesOfServices);
    },
    member: async () => {
      const client = await requester('member');
      await expectOneTenant(client);
      expect([
        await tenantsSeen(client, 'app_public.sessions'),
        await tenantsSeen(client, 'audit.log'),
      ]).toEqual([null, null]);
      await allowed(client, ...writesOfPeople);
      await refused(client, ...writesOfServices);
    },
    service: async () => {
      const client = await requester('service');
      await expectOneTenant(client);
      await allowed(client, ...writesOfPeople, ...writesOfServices);
      expect(await tenantsSeen(client, 'audit.log')).toBe(null);
    },
    admin: async () => {
      const client = await requester('admin');
      await expectOneTenant(client);
      await allowed(
        client,
        ...writesOfPeople,
        ...writesOfServices.slice(0, 1),
        'select user_id from app_public.sessions',
      );
      await refused(client, 'select token from app_public.sessions');
      expect(await tenantsSeen(client, 'audit.log')).toBe(null);
      const seen = await tenantsSeen(
        client,
        'app_public.audit_search(max_rows => 1000)',
        "key ->> 'tenant_id'",
      );
      expect(seen?.filter((tenant) => tenant !== null)).toEqual([own]);
    },
    operator: async () => {
      const client = await open(world.loginUrl('operator'));
      for (const table of [...contents, 'app_public.sessions'])
        expect(await tenantsSeen(client, table)).toBe(null);
      expect(await tenantsSeen(client, 'ops.tenants', 'id')).toEqual(expect.arrayContaining([own, other]));
      await allowed(client, 'select from ops.job_runs', "select ops.set_retention('tasks', '1 hour')");
      await refused(client, ...beyond, 'select from app_public.audit_search()');
      expect(await tenantsSeen(client, 'audit.log')).toBe(null);
    },
    analyst: async () => {
      const client = await open(world.loginUrl('analyst'));
      for (const table of contents) expect([table, await tenantsSeen(client, table)]).toEqual([table, [own]]);
      await client.query(`select set_config('app.tenant_id', '${other}', false)`);
      expect(await tenantsSeen(client, 'app_public.knowledge')).toEqual([own]);
      await refused(client, ...beyond, ...writesOfPeople, ...writesOfServices, `set role ${role('analyst')}`);
      expect([
        await tenantsSeen(client, 'app_public.sessions'),
        await tenantsSeen(client, 'audit.log'),
      ]).toEqual([null, null]);
    },
    'login of a service': async () => {
      const client = await open(world.loginUrl('service_login'));
      await expectOneTenant(client);
      await allowed(
        client,
        ...writesOfPeople,
        ...writesOfServices,
        // As a program that imports.
        `select app_public.append_messages(id, '[{"content": "x", "created_at": "2020-01-01"}]') from app_public.threads`,
      );
      expect(await tenantsSeen(client, 'audit.log')).toBe(null);
      await refused(
        client,
        ...(['service', 'admin', 'anon', 'operator'] as const).map((name) => `set role ${role(name)}`),
        'select pg_advisory_lock(1)',
        "select pg_notify('x', 'y')",
        "select lo_from_bytea(0, 'x')",
        `select ops.bind_login(session_user, '${other}')`,
        'select from ops.tenants',
      );
      // What it says of itself changes neither its tenant nor its name in the log.
      await client.query(
        `select set_config('app.tenant_id', '${other}', false),
          set_config('request.jwt.claims', '{"role": "admin", "tenant_id": "${other}", "sub": "somebody innocent"}', false)`,
      );
      await expectOneTenant(client);
      await client.query("insert into app_public.tasks (description) values ('by SQL')");
      const { rows: entries } = await world.admin.query(
        `select tenant_id, subject, role = login as itself, login ~ '^test_service_login_' as named from audit.log
         where table_name = 'app_public.tasks' order by id desc limit 1`,
      );
      expect(entries).toEqual([{ tenant_id: own, subject: null, itself: true, named: true }]);
    },
    'login of the API': async () => {
      const client = await requester('admin', other);
      for (const table of contents)
        expect([table, await tenantsSeen(client, table)]).toEqual([table, [other]]);
      await client.query(`select set_config('request.jwt.claims', '{"sub": "somebody innocent"}', false)`);
      await allowed(client, "update app_public.agents set name = 'x'");
      await refused(client, ...beyond, `set role ${role('worker')}`);
    },
    'login of the worker': async () => {
      const client = await open(world.database.urls.worker);
      const before = await logged();
      for (const table of [...contents, 'app_public.sessions', 'audit.log'])
        expect(await tenantsSeen(client, table)).toBe(null);
      // The texts that wait for an embedding, of every tenant, and the power to give them a wrong one.
      expect(await tenantsSeen(client, 'ops.texts_to_embed()')).toEqual(expect.arrayContaining([own, other]));
      const wrong = `select ops.store_embeddings(array[t.tenant_id], array[t.id], array[t.digest], array[$1])
        from ops.texts_to_embed() t where t.tenant_id = '${suspended}'`;
      const { rows: stored } = await client.query(wrong, [JSON.stringify(Array(1536).fill(1))]);
      expect(stored.length).toBeGreaterThan(0);
      expect(Number(await logged())).toBeGreaterThan(Number(before));
      await allowed(
        client,
        "select ops.report_alerts('dead_jobs', '[]')",
        `select ops.quarantine_item('reap_leases', '${other}', 'x', 'x', 'x')`,
        'select ops.reap_expired_leases()',
        'select ops.tend_workflows()',
      );
      await refused(
        client,
        ...beyond,
        `set role ${role('admin')}`,
        "insert into app_public.agents (tenant_id, id, name, model) values ('acme', 'x', 'x', 'x')",
        "update app_public.tasks set error_message = 'x'",
        'delete from app_public.tasks',
        "update app_public.knowledge set content = 'x'",
        'update app_public.knowledge set embedding = null',
        'select token from app_public.sessions',
      );
    },
    'login of migrations': async () => {
      const client = await open(world.database.urls.migrate);
      await client.query(`set role ${role('owner')}`);
      await allowed(
        client,
        'alter table audit.log no force row level security; update audit.log set subject = null; delete from audit.log',
        'alter table app_public.tasks disable trigger user; alter table app_public.tasks no force row level security; delete from app_public.tasks',
      );
    },
    'login of backups': async () => {
      const client = await open(world.database.urls.backup);
      for (const table of [...contents, 'app_public.sessions', 'audit.log'])
        expect(await tenantsSeen(client, table)).toEqual(expect.arrayContaining([own, other]));
      await refused(
        client,
        ...beyond,
        ...writesOfPeople,
        ...writesOfServices,
        'delete from app_public.tasks',
      );
    },
    superuser: async () => {
      const before = await logged();
      await allowed(
        world.admin,
        "set local session_replication_role = 'replica'; update app_public.agents set name = 'x'; delete from app_public.tasks",
      );
      await world.admin.query("begin; set local session_replication_role = 'replica'");
      await world.admin.query(`update app_public.agents set name = 'unseen' where tenant_id = '${other}'`);
      await world.admin.query('commit');
      expect(await logged()).toBe(before);
    },
    'holder of a backup': async () => {
      const directory = await mkdtemp(join(tmpdir(), 'lightning-holder-'));
      const data = await migratedDataDirectory();
      const base = { DATA_DIR: data, DB_ROLE_PREFIX: testRolePrefix };
      const key = '0123456789abcdef'.repeat(4);
      try {
        await lightningHere(['tenant', 'create', other, '--name', 'Rival'], base);
        for (const [name, settings] of [
          ['open', {}],
          ['closed', { BACKUP_ENCRYPTION_KEY: key }],
        ] as const) {
          const store = { BACKUP_STORE: join(directory, name) };
          const made = await lightningHere(['backup'], { ...base, ...store, ...settings });
          expect([made.status, made.stderr]).toEqual([0, expect.anything()]);
          // Somebody else has the store, and nothing but the store.
          const thief = {
            ...store,
            DATA_DIR: join(directory, `restored-${name}`),
            DB_ROLE_PREFIX: testRolePrefix,
          };
          const restored = await lightningHere(
            ['restore', '--to', 'latest', '--into', thief.DATA_DIR],
            thief,
          );
          if (name === 'closed') {
            expect([restored.status, restored.stderr]).toEqual([
              1,
              expect.stringContaining('BACKUP_ENCRYPTION_KEY'),
            ]);
          } else {
            expect([restored.status, restored.stderr]).toEqual([0, expect.anything()]);
            expect((await lightningHere(['tenant', 'list'], thief)).stdout).toContain(other);
          }
        }
      } finally {
        await rm(directory, { recursive: true, force: true });
        await rm(data, { recursive: true, force: true });
      }
    },
    'holder of JWT_SECRET': async () => {
      const app = await startApp(world.actor('api').database);
      try {
        const answer = async (secret: string, path = 'knowledge') => {
          const claims = {
            role: 'admin',
            tenantId: other,
            subject: 'somebody innocent',
            lifetimeSeconds: 60,
          } as const;
          const token = await signToken(secret, claims, new Date());
          const response = await fetch(`${app.url}/rest/v1/${path}`, {
            headers: { authorization: `Bearer ${token}` },
          });
          return [response.status, response.ok ? ((await response.json()) as unknown[]).length > 0 : null];
        };
        expect(await answer(testSecret)).toEqual([200, true]);
        // After a change, tokens that the old secret signed are tokens of a wrong secret.
        expect(await answer('another secret, which was the old one, of some length')).toEqual([401, null]);
      } finally {
        await app.close();
      }
    },
    'holder of a dump': async () => {
      // pg_dump reads as this login, with row-level security off.
      const client = await open(world.database.urls.backup);
      await client.query('set row_security = off');
      for (const table of [...contents, 'app_public.sessions', 'audit.log'])
        expect(await tenantsSeen(client, table)).toEqual(expect.arrayContaining([own, other]));
      const { rows: sessions } = await client.query<{ token: string }>(
        'select token from app_public.sessions',
      );
      expect(sessions.length).toBeGreaterThan(0);
      const anybody = await requester('anon');
      for (const { token } of sessions)
        expect((await anybody.query('select from ops.session_claims($1)', [token])).rowCount).toBe(0);
      const { binDirectory } = readyServer();
      if (binDirectory === undefined) return;
      const dump = await run(join(binDirectory, 'pg_dump'), [world.database.urls.backup], {
        maxBuffer: 100_000_000,
      });
      expect(dump.stdout).toContain('known');
      expect(dump.stdout).not.toContain('SCRAM-SHA-256');
    },
  };

  test('stands what this file tries, and all of it', () => {
    expect(rows.length).toBeGreaterThan(10);
    expect(
      rows.map(([who]) => who),
      'the table "Identities" of SECURITY.md and the trials of this file differ',
    ).toEqual(Object.keys(trials));
  });

  test.each(rows)(
    '%s: %s',
    async (who) => {
      const trial = trials[who];
      expect(trial, 'nobody tries this identity here').toBeDefined();
      await trial?.();
    },
    300_000,
  );
});

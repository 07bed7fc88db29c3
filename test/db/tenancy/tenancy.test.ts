import { Client } from 'pg';
import { to as copyToStdout } from 'pg-copy-streams';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { roleName } from '../../../src/db/roles.ts';
import { sql } from '../../../src/db/statement.ts';
import { accessMatrix, tablesWithoutEntry } from '../../support/access-matrix.ts';
import { expectedAccess } from '../../support/expected-access.ts';
import { testRolePrefix } from '../../support/logins.ts';
import { noServer } from '../../support/server.ts';
import {
  isOwner,
  other,
  own,
  partitionsOf,
  settingsOf,
  suspended,
  tryAs,
  twoTenants,
} from '../../support/two-tenants.ts';
import type { ActorName, TwoTenants } from '../../support/two-tenants.ts';

const tables = ['agents', 'tasks', 'knowledge', 'workflows', 'sessions', 'metrics'] as const;
const writers = ['member', 'service', 'admin'] as const;

// One session cannot show what several logins may do, so not on the embedded database.
describe.skipIf(noServer)('two tenants on one server', () => {
  let world: TwoTenants;

  beforeAll(async () => {
    world = await twoTenants();
  });
  afterAll(() => world?.close());

  const tenantsSeen = async (name: ActorName, table: string, column = 'tenant_id'): Promise<string[]> => {
    const { rows } = await tryAs(world.actor(name), (t) =>
      t.query<{ tenant: string }>({ text: `select distinct ${column} as tenant from ${table} order by 1` }),
    );
    return rows.map((row) => row.tenant);
  };
  /** What the superuser counts of a tenant's rows. */
  const count = async (table: string, tenant: string): Promise<number> => {
    const { rows } = await world.admin.query(
      `select count(*)::int as count from app_public.${table} where tenant_id = $1`,
      [tenant],
    );
    return rows[0].count;
  };
  /** Runs one statement as the actor and undoes it. */
  const once = (name: ActorName, text: string, values: unknown[] = []) =>
    tryAs(world.actor(name), (t) => t.query<Record<string, unknown>>({ text, values }));

  test('every table has an entry that says who reaches what of it', async () => {
    expect(await tablesWithoutEntry(world)).toEqual([]);
  });

  test('everybody reaches exactly what the entries say, with every command', async () => {
    expect(
      await accessMatrix(world),
      'who reaches what (received, +) is not what test/support/access-entries.ts says (expected, -): mend the entry, or the policies and grants in the file of the table in sql/',
    ).toBe(expectedAccess);
  }, 60_000);

  test('the login of backups reads every row, which drills need, and writes none', async () => {
    const client = new Client({ connectionString: world.database.urls.backup });
    await client.connect();
    try {
      const { rows: everything } = await client.query<{ name: string; writable: boolean }>(`
        select c.oid::regclass::text as name, has_any_column_privilege(c.oid, 'insert, update')
          or has_table_privilege(c.oid, 'insert, update, delete, truncate, maintain') as writable
        from pg_class c
        where c.relnamespace::regnamespace::text in ('app_public', 'app_private', 'audit', 'ops', 'legacy') and c.relkind in ('r', 'p')`);
      expect(everything.length).toBeGreaterThan(30);
      for (const { name, writable } of everything) {
        const everywhere = await world.admin.query(`select count(*) from ${name}`);
        const seen = await client.query(`select count(*) from ${name}`);
        expect([name, seen.rows, writable]).toEqual([name, everywhere.rows, false]);
        for (const write of [`delete from ${name}`, `insert into ${name} default values`, `truncate ${name}`])
          await expect(client.query(write), write).rejects.toMatchObject({ code: '42501' });
      }
    } finally {
      await client.end();
    }
  });

  describe('rows of another tenant', () => {
    test.each(tables)('of %s are there, and not to be read', async (table) => {
      expect(await count(table, other)).toBeGreaterThan(0);
      const reader = table === 'sessions' ? 'service' : 'member';
      expect(await tenantsSeen(reader, `app_public.${table}`)).toEqual([own]);
      expect(
        (await once(reader, `select tenant_id from ${table} where tenant_id = $1`, [other])).rows,
      ).toEqual([]);
    });

    test.each(tables)('of %s are not in a copy', async (table) => {
      const client = new Client({ connectionString: world.database.urls.api });
      await client.connect();
      try {
        await client.query('begin');
        for (const [name, value] of Object.entries(settingsOf('service', own)))
          await client.query('select set_config($1, $2, true)', [name, value]);
        const chunks: Buffer[] = [];
        for await (const chunk of client.query(
          copyToStdout(`copy (select tenant_id from ${table}) to stdout`),
        ))
          chunks.push(chunk as Buffer);
        expect(new Set(Buffer.concat(chunks).toString().trim().split('\n'))).toEqual(new Set([own]));
      } finally {
        await client.end();
      }
    });

    test.each(writers)('are not changed or removed by a %s who names them', async (role) => {
      let tried = 0;
      for (const statement of [
        "update agents set name = 'x' where tenant_id = $1",
        "update agents set name = 'x' where tenant_id = $1 returning tenant_id, id",
        "update tasks set description = 'x' where tenant_id = $1",
        "update knowledge set content = 'x' where tenant_id = $1 returning *",
        "update workflows set name = 'x' where tenant_id = $1",
        'delete from tasks where tenant_id = $1 returning *',
        'delete from knowledge where tenant_id = $1',
        'delete from workflows where tenant_id = $1',
        "with changed as (update tasks set description = 'x' where tenant_id = $1 returning *) select * from changed",
      ]) {
        const { rows, rowCount } = await once(role, statement, [other]);
        expect([statement, rows, rowCount]).toEqual([statement, [], 0]);
        expect((await once(role, statement, [own])).rowCount).toBeGreaterThan(0);
        tried += 1;
      }
      expect(tried).toBe(9);
    });

    test.each(writers)('cannot be added by a %s', async (role) => {
      const refused = /new row violates row-level security policy/;
      await expect(
        once(role, "insert into agents (tenant_id, id, name, model) values ($1, 'x', 'x', 'x')", [other]),
      ).rejects.toThrow(refused);
      await expect(
        once(role, "insert into tasks (tenant_id, description) values ($1, 'x')", [other]),
      ).rejects.toThrow(refused);
      await expect(
        once(role, "insert into tasks (tenant_id, description) select $1, 'x' from agents", [other]),
      ).rejects.toThrow(refused);
    });

    test.each(writers)('are not overwritten by an upsert or a merge of a %s', async (role) => {
      const upsert = `insert into agents (tenant_id, id, name, model) values ($1, 'shared', 'taken', 'm')
        on conflict (tenant_id, id) do update set name = excluded.name`;
      await expect(once(role, upsert, [other])).rejects.toThrow(/row-level security policy/);
      expect((await once(role, upsert, [own])).rowCount).toBe(1);
      const ignore = upsert.replace(/do update.*/s, 'do nothing');
      await expect(once(role, ignore, [other])).rejects.toThrow(/row-level security policy/);

      const merge = `merge into agents a using (values ($1, 'shared')) v(tenant_id, id)
        on a.tenant_id = v.tenant_id and a.id = v.id
        when matched then update set name = 'taken'
        when not matched then insert (tenant_id, id, name, model) values (v.tenant_id, v.id, 'taken', 'm')`;
      await expect(once(role, merge, [other])).rejects.toThrow(/row-level security policy/);
      expect((await once(role, merge, [own])).rowCount).toBe(1);
      const mergeMatched = merge.replace(/when not matched.*/s, '');
      expect((await once(role, mergeMatched, [other])).rowCount).toBe(0);
    });

    test('cannot be referred to by a foreign key', async () => {
      for (const table of ['tasks (agent_id, description)', 'knowledge (agent_id, content)']) {
        const insert = `insert into ${table} values ($1, 'x')`;
        expect((await once('member', insert, [`only_${own}`])).rowCount).toBe(1);
        await expect(once('member', insert, [`only_${other}`])).rejects.toMatchObject({ code: '23503' });
        await expect(
          once('member', `update ${table.split(' ')[0]} set agent_id = $1`, [`only_${other}`]),
        ).rejects.toMatchObject({ code: '23503' });
      }
    });

    test('stay when an agent of the same id is deleted here', async () => {
      const { rows } = await tryAs(world.actor('service'), async (t) => {
        await t.query({ text: "delete from agents where id = 'shared'" });
        return t.query<{ agent_id: string | null }>({ text: 'select agent_id from tasks' });
      });
      expect(rows).toEqual([{ agent_id: null }, { agent_id: null }]);
      expect(await count('agents', other)).toBe(2);
    });

    test('are not in a view', async () => {
      expect(await tenantsSeen('service', 'app_public.user_sessions')).toEqual([own]);
      expect(await tenantsSeen('analyst', 'app_public.user_sessions')).toEqual([own]);
    });

    test('do not pass through a condition of the caller that has an effect', async () => {
      // A function that is cheap and fails on what it must not see: run below the policy, it would tell.
      const { rows } = await once(
        'service',
        `select id from user_sessions where 1 / (case when tenant_id = $1 then 0 else 1 end) = 1`,
        [other],
      );
      expect(rows).toHaveLength(1);
    });
  });

  describe('a partition', () => {
    test.each(['app_public.metrics', 'audit.log'])(
      'of %s cannot be named by anybody, with any command',
      async (parent) => {
        const partitions = await partitionsOf(world.admin, parent);
        expect(partitions.length).toBeGreaterThan(1);
        const nobody = world.actors.filter((who) => !isOwner(who));
        for (const partition of partitions) {
          for (const actor of nobody) {
            await expect(once(actor.name, `select from ${partition}`)).rejects.toMatchObject({
              code: '42501',
            });
          }
          for (const name of ['service', 'admin', 'analyst', 'worker'] as const) {
            for (const statement of [
              `insert into ${partition} (tenant_id) values ('${own}')`,
              `update ${partition} set tenant_id = '${own}'`,
              `delete from ${partition}`,
              `truncate ${partition}`,
            ])
              await expect(once(name, statement)).rejects.toMatchObject({ code: '42501' });
          }
        }
      },
    );

    test('keeps its rows from its owner, too', async () => {
      const partition = (await partitionsOf(world.admin, 'app_public.metrics')).find((name) =>
        name.endsWith(new Date().toISOString().slice(0, 10).replaceAll('-', '')),
      );
      const { rows } = await world.admin.query(`select count(*)::int as count from ${partition}`);
      expect(rows[0].count).toBeGreaterThan(0);
      expect((await once('owner', `select * from ${partition}`)).rows).toEqual([]);
      await expect(
        once(
          'owner',
          `insert into ${partition} (tenant_id, id, service_name, metric_name, value) values ('${own}', 1, 's', 'm', 1)`,
        ),
      ).rejects.toThrow(/row-level security/);
    });
  });

  describe('a key', () => {
    test.each([
      ['agents', 'id'],
      ['tasks', 'id'],
      ['knowledge', 'id'],
      ['workflows', 'id'],
      ['sessions', 'id'],
      ['metrics', 'id'],
      ['metrics', '"timestamp"'],
    ])('of %s (%s) is not changed by a tenant, nor by a superuser', async (table, column) => {
      for (const role of writers) {
        for (const changed of ['tenant_id', column])
          await expect(once(role, `update ${table} set ${changed} = default`)).rejects.toMatchObject({
            code: '42501',
          });
      }
      const next = {
        id: table === 'agents' || table === 'knowledge' ? "id || 'x'" : 'gen_random_uuid()',
        '"timestamp"': `"timestamp" + interval '1 minute'`,
      }[column];
      const value = table === 'metrics' && column === 'id' ? 'id + 1000' : next;
      await expect(
        world.admin.query(`update app_public.${table} set ${column} = ${value}`),
      ).rejects.toMatchObject({ code: 'LTK01' });
      await expect(
        world.admin.query(`update app_public.${table} set tenant_id = '${other}' where tenant_id = '${own}'`),
      ).rejects.toMatchObject({ code: 'LTK01' });
    });
  });

  describe('a session token', () => {
    test.each([
      'select token from app_public.sessions',
      'select * from app_public.sessions',
      'select s from app_public.sessions s',
      'select 1 from app_public.sessions where token is not null',
      'select id from app_public.sessions order by token',
      "update app_public.sessions set data = '{}' returning token",
      'delete from app_public.sessions returning token',
      "insert into app_public.sessions (user_id, token, expires_at) values ('u', repeat('1', 64), now()) returning token",
      `insert into app_public.sessions (user_id, token, expires_at) values ('u', repeat('1', 64), now())
        on conflict (token) do update set data = '{}'`,
      'copy app_public.sessions to stdout',
    ])('cannot be read by anybody: %s', async (text) => {
      for (const actor of world.actors.filter((who) => !isOwner(who)))
        await expect(once(actor.name, text)).rejects.toMatchObject({ code: '42501' });
    });

    test('is not in the refusal of one that is taken', async () => {
      const { rows } = await world.admin.query('select token from app_public.sessions where tenant_id = $1', [
        other,
      ]);
      const token: string = rows[0].token;
      const refusal: unknown = await once(
        'service',
        "insert into sessions (user_id, token, expires_at) values ('u', $1, now())",
        [token],
      ).catch((error: unknown) => error);
      expect(refusal).toMatchObject({ code: '23505' });
      expect(JSON.stringify(refusal)).not.toContain(token);
    });
  });

  describe("an analyst's own login", () => {
    const asLogin = async (name: string, statements: readonly string[]) => {
      const client = new Client({ connectionString: world.loginUrl(name) });
      await client.connect();
      const outcomes: string[] = [];
      try {
        for (const statement of statements) {
          outcomes.push(
            await client.query(statement).then(
              () => 'done',
              (error: { code?: string }) => error.code ?? 'no code',
            ),
          );
        }
        const seen: Record<string, string[]> = {};
        for (const table of ['agents', 'tasks', 'knowledge', 'workflows', 'metrics', 'user_sessions']) {
          const { rows } = await client.query(`select distinct tenant_id from app_public.${table}`);
          seen[table] = rows.map((row: { tenant_id: string }) => row.tenant_id);
        }
        return { outcomes, seen };
      } finally {
        await client.end();
      }
    };
    const everywhere = (tenants: string[]) => ({
      agents: tenants,
      tasks: tenants,
      knowledge: tenants,
      workflows: tenants,
      metrics: tenants,
      user_sessions: tenants,
    });

    test.each([
      ['set app.tenant_id', [`set app.tenant_id = '${other}'`]],
      ['set request.jwt.claims', [`set request.jwt.claims = '{"role":"admin","tenant_id":"${other}"}'`]],
      ['set both in a transaction', ['begin', `set local app.tenant_id = '${other}'`]],
      ['reset all', [`set app.tenant_id = '${other}'`, 'reset all']],
      ['discard all', ['discard all']],
      ['set search_path', ['set search_path to pg_temp, app_public']],
    ])('sees its own tenant only after %s', async (_, statements) => {
      const { outcomes, seen } = await asLogin('analyst', statements);
      expect(outcomes).toEqual(statements.map(() => 'done'));
      expect(seen).toEqual(everywhere([own]));
    });

    const roles = [
      'owner',
      'anon',
      'member',
      'service',
      'admin',
      'analyst',
      'operator',
      'worker',
      'search',
      'jobs',
    ] as const;
    test('may become nobody else, and still sees its own tenant only', async () => {
      const statements = [
        ...roles.map((role) => `set role ${roleName(testRolePrefix, role)}`),
        ...roles.map((role) => `select set_config('role', '${roleName(testRolePrefix, role)}', false)`),
        'set role postgres',
        'set role agent_user',
        'set session authorization agent_user',
        'set session authorization postgres',
      ];
      const { outcomes, seen } = await asLogin('analyst', statements);
      expect(outcomes).toEqual(statements.map(() => '42501'));
      expect(seen).toEqual(everywhere([own]));
    });

    test.each([
      'create table app_public.mine (id int)',
      'create temporary table mine (id int)',
      'create schema mine',
      'create function public.current_tenant_id() returns text language sql return 1',
      'alter table app_public.agents disable row level security',
      'set row_security = off; select * from app_public.agents',
      `select ops.bind_login('x', '${other}')`,
      'select app_private.login_tenant_id() from app_private.tenant_logins',
      'select * from audit.log',
      'select * from ops.tenants',
      'truncate app_public.agents',
      "copy app_public.agents to '/tmp/agents'",
      "copy app_public.agents to program 'cat'",
      "select pg_read_file('PG_VERSION')",
      'do $$ begin lock table app_public.agents in access exclusive mode; end $$',
    ])('is refused: %s', async (statement) => {
      const { outcomes, seen } = await asLogin('analyst', [statement]);
      expect(outcomes).toEqual(['42501']);
      expect(seen['agents']).toEqual([own]);
    });

    test('learns nothing of others from the planner statistics', async () => {
      await world.admin.query('analyze app_public.agents');
      const { rows: all } = await world.admin.query(
        "select most_common_vals::text || histogram_bounds::text as v from pg_stats where schemaname = 'app_public' and tablename = 'agents'",
      );
      expect(all.length).toBeGreaterThan(0);
      const { rows } = await once('analyst', "select * from pg_stats where schemaname = 'app_public'");
      expect(rows).toEqual([]);
    });

    test('sees nothing when it is bound to no tenant', async () => {
      const { seen } = await asLogin('unbound', [`set app.tenant_id = '${own}'`]);
      expect(seen).toEqual(everywhere([]));
    });

    test('sees nothing while its tenant is suspended', async () => {
      expect(await count('agents', suspended)).toBeGreaterThan(0);
      expect((await asLogin('suspended', [])).seen).toEqual(everywhere([]));
      await world.admin.query('select ops.set_tenant_suspended($1, false)', [suspended]);
      try {
        expect((await asLogin('suspended', [])).seen).toEqual(everywhere([suspended]));
      } finally {
        await world.admin.query('select ops.set_tenant_suspended($1, true)', [suspended]);
      }
    });

    test('sees nothing once it is unbound, on the connection that it has', async () => {
      const client = new Client({ connectionString: world.loginUrl('analyst') });
      await client.connect();
      try {
        const { rows: who } = await client.query('select session_user as login');
        expect((await client.query('select from agents')).rowCount).toBe(2);
        await world.admin.query('select ops.unbind_login($1)', [who[0].login]);
        expect((await client.query('select from agents')).rowCount).toBe(0);
        await world.admin.query('select ops.bind_login($1, $2)', [who[0].login, own]);
        expect((await client.query('select from agents')).rowCount).toBe(2);
      } finally {
        await client.end();
      }
    });

    test.each([
      ['one that belongs to another tenant', 'analyst', other, 'LTT04'],
      ['one of a tenant that is not there', 'unbound', 'nowhere', 'LTT02'],
    ])('cannot be bound: %s', async (_, name, tenant, code) => {
      const login = new URL(world.loginUrl(name)).username;
      await expect(world.admin.query('select ops.bind_login($1, $2)', [login, tenant])).rejects.toMatchObject(
        {
          code,
        },
      );
    });

    test.each(['agent_user', 'agent_migrate', 'postgres', 'lightning_owner'])(
      '%s, which is more than that, cannot be bound',
      async (login) => {
        await expect(world.admin.query('select ops.bind_login($1, $2)', [login, own])).rejects.toMatchObject({
          code: 'LTT03',
        });
      },
    );
  });

  describe("the API's login without a role", () => {
    test.each(['agents', 'tasks', 'user_sessions', 'metrics', 'tenants'])(
      'is refused app_public.%s',
      async (table) => {
        await expect(once('api', `select * from app_public.${table}`)).rejects.toMatchObject({
          code: '42501',
        });
      },
    );

    test('is refused every schema and every function of the product', async () => {
      const { rows } = await world.actor('api').database.query<{ what: string; may: boolean }>(sql`
        select n.nspname as what, has_schema_privilege(n.oid, 'usage') or has_schema_privilege(n.oid, 'create') as may
        from pg_namespace n where n.nspname in ('app_public', 'app_private', 'audit', 'ops', 'legacy')
        union all
        select p.oid::regprocedure::text, has_function_privilege(p.oid, 'execute')
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname in ('app_public', 'app_private', 'audit', 'ops', 'legacy')`);
      expect(rows.length).toBeGreaterThan(10);
      expect(rows.filter((row) => row.may)).toEqual([]);
    });

    test('is given no tenant by a setting', async () => {
      const { rows } = await world
        .actor('api')
        .database.queryWith<{ tenant: string }>(
          settingsOf('member', ''),
          sql`select count(*)::int as tenant from agents`,
        );
      expect(rows).toEqual([{ tenant: 0 }]);
    });
  });
});

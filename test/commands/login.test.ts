import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { claimsOf } from '../../src/auth/claims.ts';
import { createLogin, dropLogin, rotateLogin } from '../../src/commands/login.ts';
import { listLogins } from '../../src/commands/login-limits.ts';
import { createTenant, listTenants, setTenantSuspended } from '../../src/commands/tenant.ts';
import type { Installation } from '../../src/db/installation.ts';
import { asRequester } from '../../src/auth/requester.ts';
import { sql } from '../../src/db/statement.ts';
import { serverDatabase } from '../support/server-database.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { recordSentBytes } from '../support/sent-bytes.ts';
import { noServer } from '../support/server.ts';
import { installationIn } from '../support/installation.ts';

describe.skipIf(noServer)('tenants and their logins', () => {
  // Logins belong to the whole server, so they get a name of this run's own.
  const ann = `ann_${randomBytes(4).toString('hex')}`;
  let made: MigratedDatabase;
  let operator: Installation;

  beforeAll(async () => {
    made = await migratedDatabase();
    operator = installationIn(serverDatabase(made.urls.migrate));
    const api = installationIn(serverDatabase(made.urls.api));
    for (const tenant of ['acme', 'globex']) {
      await createTenant(operator, tenant, tenant);
      await asRequester(api, claimsOf('service', tenant, 'test')).query(
        sql`insert into app_public.agents (id, name, model) values (${`${tenant}_agent`}, 'A', 'm')`,
      );
    }
    await api.database.close();
  });
  afterAll(async () => {
    await operator.database.close();
    await made.drop();
  });

  async function agentsSeenBy(login: string, password: string): Promise<string[]> {
    const url = Object.assign(new URL(made.url), { username: login, password });
    const client = new Client({ connectionString: url.href });
    await client.connect();
    try {
      const { rows } = await client.query('select id from agents order by id');
      return rows.map((row) => row.id);
    } finally {
      await client.end();
    }
  }

  it('a login sees only the agents of its tenant, by their bare names', async () => {
    const password = await createLogin(operator, ann, 'acme');
    expect(await agentsSeenBy(ann, password)).toEqual(['acme_agent']);
    expect((await listTenants(operator)).find(({ id }) => id === 'acme')?.logins).toEqual([ann]);
  });

  it("a service's login writes in its tenant alone, and is listed with what a service may use", async () => {
    const name = `planner_${randomBytes(4).toString('hex')}`;
    const password = await createLogin(
      operator,
      name,
      'acme',
      { statementSeconds: 300 },
      { role: 'service' },
    );
    const url = Object.assign(new URL(made.url), { username: name, password });
    const client = new Client({ connectionString: url.href });
    await client.connect();
    try {
      const { rows } = await client.query(
        "insert into agents (id, name, model) values ('planner', 'P', 'm') returning tenant_id",
      );
      expect(rows).toEqual([{ tenant_id: 'acme' }]);
      await client.query("delete from agents where id = 'planner'");
      await expect(
        client.query("insert into agents (tenant_id, id, name, model) values ('globex', 'x', 'x', 'x')"),
      ).rejects.toMatchObject({ code: '42501' });
      const { rows: shown } = await client.query('show statement_timeout');
      expect(shown).toEqual([{ statement_timeout: '5min' }]);
    } finally {
      await client.end();
    }
    const listed = (await listLogins(operator)).map(
      ({ login, role, connections, idle_seconds, limited }) => ({
        login,
        role,
        connections,
        idle_seconds,
        limited,
      }),
    );
    expect(listed).toEqual([
      { login: ann, role: 'analyst', connections: 5, idle_seconds: 3_600, limited: true },
      { login: name, role: 'service', connections: 20, idle_seconds: 86_400, limited: true },
    ]);
    await dropLogin(operator, name);
    expect((await listLogins(operator)).map(({ login }) => login)).toEqual([ann]);
  });

  it('creating a login twice is refused, and leaves it as it was', async () => {
    await expect(createLogin(operator, ann, 'globex')).rejects.toThrow(/already exists/);
  });

  it('a login for an unknown tenant leaves no role behind', async () => {
    const name = `bob_${randomBytes(4).toString('hex')}`;
    await expect(createLogin(operator, name, 'nobody')).rejects.toThrow('tenant nobody does not exist');
    const { rowCount } = await operator.database.query(sql`select from pg_roles where rolname = ${name}`);
    expect(rowCount).toBe(0);
  });

  it('the logins of a suspended tenant see nothing, and everything again once it is resumed', async () => {
    const password = await rotateLogin(operator, ann);
    await setTenantSuspended(operator, 'acme', true);
    expect(await agentsSeenBy(ann, password)).toEqual([]);
    await setTenantSuspended(operator, 'acme', false);
    expect(await agentsSeenBy(ann, password)).toEqual(['acme_agent']);
  });

  it('the passwords of logins are not in what the server is sent', async () => {
    const way = await recordSentBytes(made.urls.migrate);
    const watched = installationIn(serverDatabase(way.through(made.urls.migrate)));
    const name = `eve_${randomBytes(4).toString('hex')}`;
    const passwords = [await createLogin(watched, name, 'acme'), await rotateLogin(watched, name)];
    expect(await agentsSeenBy(name, passwords[1] ?? '')).toEqual(['acme_agent']);
    await dropLogin(watched, name);
    await watched.database.close();
    await way.close();
    expect(way.text()).toContain(`create role "${name}"`);
    expect(way.text()).toContain(`alter role "${name}"`);
    for (const password of passwords) expect(way.text()).not.toContain(password);
  });

  it('rotating the password ends the old one', async () => {
    const old = await rotateLogin(operator, ann);
    const current = await rotateLogin(operator, ann);
    await expect(agentsSeenBy(ann, old)).rejects.toThrow(/password authentication failed/);
    expect(await agentsSeenBy(ann, current)).toEqual(['acme_agent']);
  });

  it.each(['agent_user', 'postgres', 'nobody_at_all'])(
    'the login %s is not dropped, because it is not ours',
    async (name) => {
      await expect(dropLogin(operator, name)).rejects.toThrow(`login ${name} does not belong to a tenant`);
    },
  );

  it.each(['Ann', 'a b', "x'; drop table agents --", ''])('the name %j is refused', async (name) => {
    await expect(createLogin(operator, name, 'acme')).rejects.toThrow(/lower case letters/);
  });

  it('a dropped login is gone with its binding', async () => {
    await dropLogin(operator, ann);
    expect((await listTenants(operator)).find(({ id }) => id === 'acme')?.logins).toEqual([]);
    await expect(agentsSeenBy(ann, 'x')).rejects.toThrow(/authentication failed/);
  });

  it('a tenant of the same id and name is the same tenant; under another name it is refused', async () => {
    await createTenant(operator, 'acme', 'acme');
    await expect(createTenant(operator, 'acme', 'Acme Inc.')).rejects.toThrow(
      /already exists, under the name acme/,
    );
    await expect(createTenant(operator, 'No Good', 'x')).rejects.toThrow(/tenants_id_check/);
  });
});

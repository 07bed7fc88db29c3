import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLogin, dropLogin, rotateLogin } from '../../../src/commands/login.ts';
import { prepareDatabase } from '../../../src/setup/prepare-database.ts';
import { installationIn } from '../../support/installation.ts';
import { testRolePrefix } from '../../support/logins.ts';
import { noServer } from '../../support/server.ts';
import { other, own, settingsOf, twoTenants } from '../../support/two-tenants.ts';
import type { ActorName, TwoTenants } from '../../support/two-tenants.ts';

interface Event {
  readonly table_name: string;
  readonly operation: string;
  readonly row_count: number;
  readonly tenant_id: string | null;
  readonly new_values: unknown;
  readonly login: string;
  readonly role: string;
}

describe.skipIf(noServer)('what is done to the schema, to logins and to retention', () => {
  let world: TwoTenants;

  beforeAll(async () => {
    world = await twoTenants();
  });
  afterAll(() => world?.close());

  const as = (name: ActorName, text: string) => {
    const { database, settings } = world.actor(name);
    return database.queryWith<Record<string, unknown>>(settings, { text });
  };
  /** The entries of the log that the work leaves. */
  const logOf = async (work: () => Promise<unknown>): Promise<Event[]> => {
    const { rows } = await world.admin.query('select coalesce(max(id), 0) as last from audit.log');
    await work();
    const found = await world.admin.query<Event>(
      `select table_name, operation, row_count, tenant_id, new_values, login::text, role::text
       from audit.log where id > $1 order by id`,
      [rows[0].last],
    );
    return found.rows;
  };
  const brief = (events: readonly Event[]) =>
    events.map(({ operation, table_name: name }) => [operation, name]);

  test('DDL of the migrations leaves one row a statement: who, what, which objects', async () => {
    const events = await logOf(async () => {
      await as('owner', 'create table app_public.extra (id int primary key, v text)');
      await as('owner', 'alter table app_public.extra drop column v');
      await as('owner', 'grant select on app_public.extra to lightning_member');
      await as('owner', 'create function app_public.extra() returns int language sql as $$ select 1 $$');
      await as('owner', 'drop function app_public.extra()');
      await as('owner', 'drop table app_public.extra');
    });
    expect(brief(events)).toEqual([
      ['create table', 'app_public.extra'],
      ['alter table', 'app_public.extra'],
      ['grant', 'TABLE'],
      ['create function', 'app_public.extra()'],
      ['drop function', 'app_public.extra()'],
      ['drop table', 'app_public.extra'],
    ]);
    for (const event of events)
      expect(event).toMatchObject({ tenant_id: null, login: 'agent_migrate', role: 'lightning_owner' });
    expect(events[2]?.new_values).toMatchObject({
      statement: 'grant select on app_public.extra to lightning_member',
    });
  });

  test('DDL of a superuser is there too, with the name of its login', async () => {
    const events = await logOf(() => world.admin.query('create schema extra; drop schema extra'));
    expect(brief(events)).toEqual([
      ['create schema', 'extra'],
      ['drop schema', 'extra'],
    ]);
    const { rows } = await world.admin.query('select session_user::text as login');
    expect(events[0]?.login).toBe(rows[0].login);
  });

  test('a statement with many objects is one row that names twenty', async () => {
    const names = Array.from({ length: 30 }, (_, n) => `app_public.many${n}`);
    const events = await logOf(async () => {
      await world.admin.query(names.map((name) => `create table ${name} ()`).join(';'));
      await world.admin.query(`drop table ${names.join()}`);
    });
    expect(events).toHaveLength(31);
    expect(events.at(-1)).toMatchObject({ operation: 'drop table', row_count: 30 });
    expect((events.at(-1)!.new_values as { objects: unknown[] }).objects).toHaveLength(20);
  });

  test('no password gets into the log, nor does what only one session sees', async () => {
    const secret = `S3cret-${randomBytes(4).toString('hex')}`;
    const name = `test_role_${randomBytes(4).toString('hex')}`;
    const events = await logOf(async () => {
      await world.admin.query(`create role ${name} password '${secret}'; grant lightning_anon to ${name}`);
      await world.admin.query(
        `create table app_public.t (v text default '${secret}'); drop table app_public.t`,
      );
      await world.admin.query(
        `create function app_public.f() returns text language sql as $$ select '${secret}' $$; grant execute on function app_public.f() to lightning_anon; drop function app_public.f()`,
      );
      await world.admin.query('create temp table mine (id int primary key); drop table mine');
      await world.admin.query(`drop role ${name}`);
    });
    expect(brief(events)).toEqual([
      ['create table', 'app_public.t'],
      ['drop table', 'app_public.t'],
      ['create function', 'app_public.f()'],
      ['grant', 'FUNCTION'],
      ['drop function', 'app_public.f()'],
    ]);
    expect(JSON.stringify(events)).not.toContain(secret);
  });

  test('nobody forges such a row, and the recorder is nobody', async () => {
    for (const { name } of world.actors) {
      if (name === 'owner' || name === 'definer') continue;
      await expect(as(name, "select audit.record_event('rotate login', 'x')")).rejects.toMatchObject({
        code: '42501',
      });
      await expect(
        as(
          name,
          "insert into audit.log (table_name, operation, row_count, role) values ('x', 'grant', 1, 'x')",
        ),
      ).rejects.toMatchObject({ code: '42501' });
      await expect(as(name, 'set role lightning_recorder')).rejects.toMatchObject({ code: '42501' });
    }
    await expect(as('owner', 'select public.tg__record_ddl()')).rejects.toMatchObject({ code: '42501' });
    await expect(
      as(
        'owner',
        'create or replace function public.tg__record_ddl() returns event_trigger language plpgsql as $$ begin end $$',
      ),
    ).rejects.toMatchObject({ code: '42501' });
    const { rows } = await world.admin.query(
      `select count(*)::int as members from pg_auth_members m join pg_roles r on r.oid = m.roleid
       join pg_roles who on who.oid = m.member where r.rolname = 'lightning_recorder' and not who.rolsuper`,
    );
    expect(rows).toEqual([{ members: 0 }]);
  });

  test('setup leaves nothing there when it runs again, and DDL after it is recorded as before', async () => {
    const events = await logOf(async () => {
      await prepareDatabase(world.admin, testRolePrefix);
      await as('owner', 'create table app_public.after_setup (id int)');
      await as('owner', 'drop table app_public.after_setup');
    });
    expect(brief(events)).toEqual([
      ['create table', 'app_public.after_setup'],
      ['drop table', 'app_public.after_setup'],
    ]);
  });

  test('a trigger that the owner plants on the log does not run as the superuser who makes a table', async () => {
    for (const statement of [
      'create table app_public.ran_as (name text)',
      'grant insert on app_public.ran_as to public',
      'grant usage on schema app_public to public',
      'create function audit.plant() returns trigger language plpgsql as $$ begin insert into app_public.ran_as values (current_user); return null; end $$',
      'grant execute on function audit.plant() to public',
      'create trigger planted after insert on audit.log for each row execute function audit.plant()',
    ])
      await as('owner', statement);
    try {
      await world.admin.query('create table app_public.bait ()');
      const { rows } = await world.admin.query('select distinct name from app_public.ran_as');
      expect(rows).toContainEqual({ name: 'lightning_recorder' });
      const { rows: supers } = await world.admin.query(
        'select a.name from app_public.ran_as a join pg_roles r on r.rolname = a.name where r.rolsuper',
      );
      expect(supers).toEqual([]);
    } finally {
      await world.admin.query(
        'drop trigger planted on audit.log; drop function audit.plant(); drop table app_public.ran_as, app_public.bait; revoke usage on schema app_public from public',
      );
    }
  });

  test('a month without a partition of the log keeps nobody from DDL', async () => {
    await world.admin.query('begin');
    try {
      await world.admin.query(
        `do $$ declare p regclass; begin for p in select inhrelid::regclass from pg_inherits where inhparent = 'audit.log'::regclass
         loop execute format('alter table audit.log detach partition %s', p); end loop; end $$`,
      );
      await world.admin.query('create table app_public.unlogged_month ()');
      const { rows } = await world.admin.query(`
        select to_regclass('app_public.unlogged_month') is not null as made, (select count(*)::int from audit.log) as logged`);
      expect(rows).toEqual([{ made: true, logged: 0 }]);
    } finally {
      await world.admin.query('rollback');
    }
  });

  test('retention, its exceptions and holds are recorded with their values, and a hold is not shown to the tenant', async () => {
    const events = await logOf(async () => {
      await as('operator', "select ops.set_retention('metrics.raw', '14 days')");
      await as('operator', `select ops.set_retention('tasks', '90 days', '${own}')`);
      await as('operator', `select ops.reset_retention('tasks', '${own}')`);
      await as(
        'operator',
        `insert into ops.retention_holds (policy, tenant_id, held, reason) values ('tasks', '${own}', '[2024-01-01,)', 'dispute 4711')`,
      );
      await as('operator', "delete from ops.retention_holds where reason = 'dispute 4711'");
    });
    expect(brief(events)).toEqual([
      ['update', 'ops.retention_policies'],
      ['insert', 'ops.retention_overrides'],
      ['delete', 'ops.retention_overrides'],
      ['insert', 'ops.retention_holds'],
      ['delete', 'ops.retention_holds'],
    ]);
    expect(events[0]).toMatchObject({ new_values: { keep: '14 days' }, tenant_id: null });
    expect(events[0]?.login).toMatch(/^test_operator_/);
    const search = (text: string) =>
      world.actor('admin').database.queryWith(settingsOf('admin', own), { text });
    const seen = JSON.stringify((await search('select * from audit_search(max_rows => 1000)')).rows);
    expect(seen).toContain('ops.retention_overrides');
    expect(seen).not.toContain('dispute 4711');
    const { rows } = await search(`select * from row_history('ops.retention_holds', '{"id": 1}')`);
    expect(JSON.stringify(rows)).not.toContain('dispute 4711');
  });

  test('a login that is made, gets a new password and is removed leaves one row each, without a password', async () => {
    const name = `test_ann_${randomBytes(4).toString('hex')}`;
    const installation = installationIn(world.actor('migrate').database);
    const secrets: string[] = [];
    const events = await logOf(async () => {
      secrets.push(await createLogin(installation, name, own), await rotateLogin(installation, name));
      await dropLogin(installation, name);
    });
    expect(brief(events)).toEqual([
      ['insert', 'app_private.tenant_logins'],
      ['rotate login', name],
      ['delete', 'app_private.tenant_logins'],
    ]);
    for (const event of events) expect(event).toMatchObject({ tenant_id: own, login: 'agent_migrate' });
    for (const secret of [...secrets, 'SCRAM']) expect(JSON.stringify(events)).not.toContain(secret);
  });

  test('an operator sees who did what across tenants, and no value of a tenant; the read is logged', async () => {
    await as(
      'service',
      "insert into agents (id, name, model) values ('seen', 'a name that is a secret', 'm')",
    );
    const events = await logOf(async () => {
      const { rows } = await as('operator', 'select * from ops.audit_activity(max_rows => 1000)');
      expect(new Set(rows.map((row) => row['of_tenant']))).toEqual(
        expect.objectContaining(new Set([own, other])),
      );
      expect(rows.find(({ what, of_tenant: tenant }) => what === 'insert' && tenant === own)).toMatchObject({
        by_subject: `service@${own}`,
        request: 'request of service',
        row_count: 1,
      });
      expect(rows.find(({ what }) => what === 'grant')?.['details']).toMatchObject({
        new: { objects: [{ type: 'FUNCTION' }] },
      });
      const text = JSON.stringify(rows);
      expect(text).not.toContain('a name that is a secret');
      expect(text).toContain('dispute 4711');
    });
    expect(events).toMatchObject([
      {
        operation: 'read',
        tenant_id: null,
        new_values: { function: 'ops.audit_activity', arguments: { max_rows: 1000 } },
      },
    ]);
    expect(events[0]?.login).toMatch(/^test_operator_/);
    for (const { name } of world.actors) {
      if (['operator', 'owner', 'definer'].includes(name)) continue;
      await expect(as(name, 'select * from ops.audit_activity()')).rejects.toMatchObject({ code: '42501' });
    }
    for (const { name } of world.actors) {
      if (['admin', 'owner', 'definer'].includes(name)) continue;
      await expect(as(name, 'select * from app_public.audit_search()')).rejects.toMatchObject({
        code: '42501',
      });
    }
  });
});

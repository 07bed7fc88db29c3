import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Manifest } from '../../src/export/manifest.ts';
import { addTenant } from '../../src/commands/tenant.ts';
import { carriedDatabase, digestsOf, makeExtremes, manifestOf } from '../export/carried-database.ts';
import type { CarriedDatabase } from '../export/carried-database.ts';
import { commandContext } from '../support/command-context.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';
import { serverDatabase } from '../support/server-database.ts';
import { named, tablesThatName } from '../support/tables-that-name.ts';
import { fillTables } from '../support/two-tenants.ts';

/** Tables of users: names and types that are odd, rows that refer to each other, and none of our own policies. */
async function makeOddTables(admin: Client): Promise<void> {
  await admin.query(`
    set role ${testRolePrefix}_owner;
    create table app_public."Odd ""table" (
      tenant_id varchar(63), "a b" integer, parent integer, primary key ("a b"), foreign key (parent) references app_public."Odd ""table" ("a b")
    );
    create table app_public.ring_a (tenant_id text, id integer primary key, b integer);
    create table app_public.ring_b (tenant_id text, id integer primary key, a integer references app_public.ring_a (id));
    alter table app_public.ring_a add foreign key (b) references app_public.ring_b (id) deferrable initially deferred;
    create table app_public.children (tenant_id text not null, id integer, agent_id text not null,
      foreign key (tenant_id, agent_id) references app_public.agents (tenant_id, id) on delete restrict);
    alter table app_public.children enable row level security, force row level security;
    insert into app_public."Odd ""table" select t, i + o, nullif(i - 1 + o, o) from (values ('acme', 0), ('rival', 1000)) v(t, o), generate_series(1, 700) i;
    begin;
    insert into app_public.ring_a values ('acme', 1, 1), ('rival', 2, 2);
    insert into app_public.ring_b values ('acme', 1, 1), ('rival', 2, 2);
    commit;
    reset role;
    insert into app_public.children values ('acme', 1, 'shared'), ('rival', 1, 'shared');`);
}

/** A workflow that is under way, with the task of its step claimed. */
async function startWorkflow(admin: Client, tenant: string): Promise<void> {
  await admin.query('begin');
  await admin.query(`select set_config('app.tenant_id', $1, true)`, [tenant]);
  await admin.query(`set local role ${testRolePrefix}_service`);
  const { rows } = await admin.query(
    `insert into app_public.workflows (name, steps) values ('under way', '[{"key": "a", "task": {"description": "a step"}}]') returning id`,
  );
  await admin.query('select app_public.start_workflow($1)', [rows[0].id]);
  await admin.query('commit');
  const { rows: state } = await admin.query(
    `select status from app_public.workflow_steps where tenant_id = $1 and workflow_id = $2`,
    [tenant, rows[0].id],
  );
  expect(state).toEqual([{ status: 'running' }]);
}

describe.skipIf(noServer).each(['server', 'embedded'] as const)(
  'a tenant is deleted, %s',
  { timeout: 180_000 },
  (kind) => {
    let database: CarriedDatabase;
    let admin: Client;
    let folder: string;
    beforeAll(async () => {
      database = await carriedDatabase(kind);
      ({ admin } = database);
      const api = serverDatabase(database.env['DATABASE_URL'] ?? database.adminUrl);
      await fillTables(admin, api);
      await api.close();
      await makeExtremes(admin, true);
      await makeOddTables(admin);
      await startWorkflow(admin, 'acme');
      await startWorkflow(admin, 'rival');
      await admin.query(
        `insert into ops.refused_callers (caller, what, count) values ('tenant acme, subject x', 'w', 1), ('tenant acme2', 'w', 1)`,
      );
      folder = path.join(await mkdtemp(path.join(tmpdir(), 'deleted-')), 'export');
    }, 180_000);
    afterAll(() => database?.close());

    test('not without --yes where no terminal is, not while a hold keeps data of it, and not when there is none', async () => {
      const unasked = await database.lightning('tenant', 'delete', 'acme');
      expect([unasked.status, unasked.stderr]).toEqual([
        2,
        'lightning: tenant acme is not deleted without being asked for, and there is no terminal to ask at: add --yes\n',
      ]);
      const held = await database.lightning('tenant', 'delete', 'acme', '--yes');
      const { rows } = await admin.query(
        `select id, policy, reason from ops.retention_holds where tenant_id = 'acme' or tenant_id is null order by id limit 1`,
      );
      expect(held.stderr).toContain(
        `hold ${rows[0].id} keeps data of ${rows[0].policy} of tenant acme: ${rows[0].reason}`,
      );
      expect(held.stderr).toContain(`delete from ops.retention_holds where id = ${rows[0].id}`);
      expect(held.status).toBe(1);
      const nobody = await database.lightning('tenant', 'delete', 'nobody', '--yes');
      expect(nobody.status).toBe(2);
      expect(nobody.stderr).toContain(
        'lightning: tenant nobody does not exist; to list those that do: lightning tenant list\n',
      );
      for (const flags of [
        ['--without-export', '--output', 'x'],
        ['--output', ''],
      ]) {
        expect((await database.lightning('tenant', 'delete', 'acme', '--yes', ...flags)).status).toBe(2);
      }
      const taken = await database.lightning('tenant', 'delete', 'acme', '--yes', '--output', tmpdir());
      expect(taken.stderr).toContain('exists already; expected a new name');
      const { rows: state } = await admin.query(
        `select suspended_at from app_public.tenants where id = 'acme'`,
      );
      expect(state).toEqual([{ suspended_at: null }]);
      expect((await admin.query('select from ops.tenant_removals where ended_at is null')).rowCount).toBe(0);
    });

    test('not when something else than its id is typed', async () => {
      await admin.query('delete from ops.retention_holds');
      const asked: string[] = [];
      const { context } = commandContext(database.env);
      const ask = async (question: string): Promise<string> => {
        asked.push(question);
        return 'acm';
      };
      const program = new Command().exitOverride();
      addTenant(program, { ...context, ask });
      await expect(program.parseAsync(['tenant', 'delete', 'acme'], { from: 'user' })).rejects.toThrow(
        'tenant acme was not deleted: what was typed is not its id',
      );
      expect(asked[0]).toMatch(
        /^Every row of the tenant acme is deleted.*\nType the id of the tenant to delete it: $/s,
      );
      const { rows } = await admin.query(`select suspended_at from app_public.tenants where id = 'acme'`);
      expect(rows).toEqual([{ suspended_at: null }]);
    });

    test('it has no row left in any table but those that the command names; of the others nothing has changed', async () => {
      const before = await database.exported('--tenant', 'acme');
      const beside = await Promise.all([]).then(async () => [
        await database.exported('--tenant', 'rival'),
        await database.exported('--tenant', 'locked_out'),
      ]);
      const tables = (await tablesThatName(admin, 'acme')).filter((name) => !named.test(name));
      expect(tables.length).toBeGreaterThan(25);
      const { rows: last } = await admin.query('select coalesce(max(id), 0) as id from audit.log');

      const ended = await database.lightning('tenant', 'delete', 'acme', '--yes', '--output', folder);
      expect(ended.status, ended.stderr).toBe(0);
      expect(ended.stdout).toMatch(/^tenant acme is suspended\n/);
      expect(ended.stdout).toMatch(/\nexported \d+ rows of \d+ tables to /);
      expect(ended.stdout).toMatch(
        /\ntenant acme was deleted: \d+ rows of \d+ tables\nwhat remains of it:\n/,
      );

      const { rows: callers } = await admin.query(
        `delete from ops.refused_callers where caller like 'tenant acme%' returning caller`,
      );
      expect(callers).toEqual([{ caller: 'tenant acme2' }]);
      expect((await tablesThatName(admin, 'acme')).filter((name) => !named.test(name))).toEqual([]);
      const { rows: samples } = await admin.query(
        `select tablename from pg_stats where schemaname <> 'audit' and (most_common_vals::text ~ '\\macme\\M' or histogram_bounds::text ~ '\\macme\\M')`,
      );
      expect(samples).toEqual([]);
      for (const { manifest } of beside) {
        const after = await database.exported('--tenant', manifest.tenant!);
        expect(digestsOf(after.manifest)).toEqual(digestsOf(manifest));
      }
      expect((await admin.query(`select count(*)::int as n from app_public."Odd ""table"`)).rows).toEqual([
        { n: 700 },
      ]);
      // The export is the tenant as it was, but that it is suspended.
      const withoutItself = (manifest: Manifest): Record<string, string> => ({
        ...digestsOf(manifest),
        'app_public.tenants': '',
      });
      expect(withoutItself(await manifestOf(folder))).toEqual(withoutItself(before.manifest));

      // Of each row that is gone the log has the key, and its values are not written once more.
      const { rows: entries } = await admin.query(
        `select count(*)::int as entries, count(key)::int as keys, count(old_values)::int as with_values
       from audit.log where id > $1 and operation = 'delete' and tenant_id = 'acme' and table_name <> 'app_public.tenants' and table_name <> 'app_private.tenant_logins'`,
        [last[0].id],
      );
      expect(entries[0].keys).toBeGreaterThan(15);
      expect(entries[0].with_values).toBe(0);
      const { rows: events } = await admin.query(
        `select operation, table_name, tenant_id, new_values, login from audit.log where operation in ('delete tenant', 'tenant deleted') order by id`,
      );
      expect(events.map(({ operation, table_name: object }) => [operation, object])).toEqual([
        ['delete tenant', 'acme'],
        ['tenant deleted', 'acme'],
      ]);
      const { rows: removal } = await admin.query(
        `select row_counts, export_id, begun_by from ops.tenant_removals where id = 'acme'`,
      );
      expect(events[1].new_values).toMatchObject({
        rows: removal[0].row_counts,
        export_id: removal[0].export_id,
        begun_by: events[1].login,
      });
      expect(removal[0].row_counts).toMatchObject({
        'app_public.agents': 2,
        'app_public.Odd "table': 700,
        'app_public.extremes': 5,
      });
    });

    test('its tokens are refused, until a tenant of the same id is made, which sees nothing old', async () => {
      const listed = async () =>
        (await admin.query(`select from ops.suspended_tenants() t where t = 'acme'`)).rowCount;
      expect(await listed()).toBe(1);
      const again = await database.lightning('tenant', 'create', 'acme');
      expect(again.status, again.stderr).toBe(0);
      expect(await listed()).toBe(0);
      await admin.query('begin');
      await admin.query(`select set_config('app.tenant_id', 'acme', true)`);
      await admin.query(`set local role ${testRolePrefix}_admin`);
      const { rows: agents } = await admin.query('select from app_public.agents');
      expect(agents).toEqual([]);
      await admin.query(`insert into app_public.agents (id, name, model) values ('shared', 'New', 'm')`);
      const { rows: found } = await admin.query(
        `select table_name, operation from app_public.audit_search() order by id`,
      );
      expect(found).toEqual([
        { table_name: 'app_public.tenants', operation: 'insert' },
        { table_name: 'app_public.agents', operation: 'insert' },
      ]);
      const { rows: history } = await admin.query(
        `select operation from app_public.row_history('agents', '"shared"')`,
      );
      expect(history).toEqual([{ operation: 'insert' }]);
      await admin.query('rollback');
    });
  },
);

import type { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';

interface Logged {
  readonly table: string;
  readonly operation: string;
  readonly tenant: string | null;
  readonly key: Record<string, unknown> | null;
  readonly old: Record<string, unknown> | null;
  readonly new: Record<string, unknown> | null;
}

const hidden = expect.stringMatching(/^sha256:[0-9a-f]{64}$/);
/** A key with the tenant, as this project's tables have it, and a key without. */
const withTenant = 'tenant_id text not null, id int, v text, color text, primary key (tenant_id, id)';
const without = 'id text primary key, tenant_id text not null, v text';

describe.each(apiTargets)('the audit log of a table that a user added (%s)', (_, open) => {
  let target: ApiTarget;
  let admin: Client;

  beforeAll(async () => {
    target = await open();
    admin = target.admin;
  });
  afterAll(() => target?.close());
  beforeEach(() => admin.query('begin'));
  afterEach(() => admin.query('rollback'));

  const run = (...statements: readonly string[]) => admin.query(statements.join(';\n'));
  /** Makes the table and audits it. */
  const add = (columns: string, options = '', name = 'app_public.added') =>
    run(`create table ${name} (${columns})`, `select audit.enable_tracking('${name}'${options})`);
  /** What the log has of the statements, and of nothing before. */
  const logged = async (...statements: readonly string[]): Promise<Logged[]> => {
    const { rows } = await admin.query('select coalesce(max(id), 0) as last from audit.log');
    await run(...statements);
    const found = await admin.query<Logged>(
      `select table_name as "table", operation, tenant_id as tenant, key, old_values as old, new_values as new
       from audit.log where id > $1 and operation in ('present', 'insert', 'update', 'delete', 'truncate') order by id`,
      [rows[0].last],
    );
    return found.rows;
  };
  const refusal = async (statement: string) => {
    await run('savepoint refused');
    const error: unknown = await admin.query(statement).then(
      () => null,
      (reason: unknown) => reason,
    );
    await run('rollback to savepoint refused');
    return error;
  };

  test("shows a row to its tenant's administrators, whatever its key is", async () => {
    await add(without);
    await run("insert into app_public.tenants (id, name) values ('acme', 'Acme')");
    const rows = await logged(
      "insert into app_public.added values ('acme', 'default', 'secret of default')",
      "update app_public.added set v = 'another'",
      'delete from app_public.added',
    );
    expect(rows.map(({ operation, tenant, key }) => [operation, tenant, key])).toEqual(
      ['insert', 'update', 'delete'].map((operation) => [operation, 'default', { id: 'acme' }]),
    );
  });

  test('has each row of a large update once, with the values that were its own, whatever the update did', async () => {
    await add(withTenant);
    await run(
      "insert into app_public.added select 'one', n, 'v' || n, 'red' from generate_series(1, 2500) n",
      // Keys change places, one row in a thousand moves to another tenant, and one in ten stays as it is.
      'alter table app_public.added drop constraint added_pkey, add primary key (tenant_id, id) deferrable',
      'set constraints all deferred',
    );
    const rows = await logged(
      `update app_public.added set id = 2501 - id, v = 'after ' || v, tenant_id = case when id % 1000 = 0 then 'two' else tenant_id end
       where id % 10 <> 1`,
      'update app_public.added set v = v where id % 10 = 1',
      "update app_public.added set v = '' where false",
    );
    const updates = rows.filter(({ operation }) => operation === 'update');
    expect(updates).toHaveLength(2_248);
    for (const { key, old, new: after } of updates) {
      const id = Number(old?.['id']);
      expect([old, after, key]).toEqual([
        { id, v: `v${id}` },
        { id: 2_501 - id, v: `after v${id}` },
        { tenant_id: 'one', id: 2_501 - id },
      ]);
    }
    expect(rows.filter(({ operation }) => operation !== 'update')).toMatchObject(
      [1_000, 2_000].flatMap((id) => [
        { operation: 'delete', tenant: 'one', old: { id, v: `v${id}` } },
        { operation: 'insert', tenant: 'two', new: { id: 2_501 - id, v: `after v${id}` } },
      ]),
    );
    // A transaction with many updates keeps nothing of them open.
    expect((await admin.query('select count(*)::int as open from pg_cursors')).rows).toEqual([{ open: 0 }]);
  });

  test('has the rows that were there before as present, once', async () => {
    const { rows: owners } = await admin.query<{ owner: string }>(
      "select proowner::regrole::text as owner from pg_proc where oid = 'audit.log_row'::regproc",
    );
    const owner = owners[0]!.owner;
    await run(
      `create table app_public.added (${withTenant})`,
      "insert into app_public.added values ('one', 1, 'secret', 'red'), ('two', 2, null, 'blue')",
      'alter table app_public.added enable row level security, force row level security',
      // Tables belong to the owner on a server, whose own policies hide rows from it.
      `alter table app_public.added owner to ${owner}`,
      `set local role ${owner}`,
    );
    const enable =
      "select audit.enable_tracking('app_public.added', digested => '{v}', omitted => '{color}')";
    expect(await logged(enable)).toMatchObject([
      { operation: 'present', tenant: 'one', key: { id: 1 }, new: { v: hidden } },
      { operation: 'present', tenant: 'two', key: { id: 2 }, new: { v: null } },
    ]);
    expect(await logged(enable)).toEqual([]);
    await run('reset role');
    const { rows } = await admin.query(
      "select relforcerowsecurity as forced from pg_class where oid = 'app_public.added'::regclass",
    );
    expect(rows).toEqual([{ forced: true }]);
  });

  test('has the rows of a table that was logged by statement, once it is logged by row', async () => {
    await run(
      `create table app_public.added (${withTenant}) partition by list (id)`,
      'create table app_public.added_1 partition of app_public.added for values in (1)',
      "select audit.enable_tracking('app_public.added', detail => false)",
      "insert into app_public.added values ('one', 1, 'a')",
    );
    expect(await logged("select audit.enable_tracking('app_public.added')")).toMatchObject([
      { table: 'app_public.added', operation: 'present', tenant: 'one', key: { tenant_id: 'one', id: 1 } },
    ]);
  });

  test('shows neither tenant what a row that moves between them is, or was, at the other', async () => {
    await add(without);
    await run("insert into app_public.added values ('a', 'one', 'of one')");
    expect(await logged("update app_public.added set tenant_id = 'two', v = 'of two'")).toMatchObject([
      { operation: 'delete', tenant: 'one', old: { tenant_id: 'one', v: 'of one' }, new: null },
      { operation: 'insert', tenant: 'two', old: null, new: { tenant_id: 'two', v: 'of two' } },
    ]);
  });

  test.each(['bigint', 'uuid', 'varchar(40)'])(
    'takes a tenant_id of type %s, and one that is null',
    async (type) => {
      const value = type === 'uuid' ? '00000000-0000-4000-8000-000000000001' : '12';
      await add(`id int primary key, tenant_id ${type}, v text`);
      const rows = await logged(
        `insert into app_public.added values (1, '${value}', 'a'), (2, null, 'a')`,
        "update app_public.added set v = 'b'",
        'delete from app_public.added',
      );
      expect(rows.map(({ tenant }) => tenant)).toEqual([value, null, value, null, value, null]);
      await run("select audit.enable_tracking('app_public.added', detail => false)");
      const summary = await logged(
        `insert into app_public.added values (1, '${value}', 'a'), (2, null, 'a')`,
      );
      expect(summary.map(({ tenant }) => tenant).toSorted()).toEqual([value, null].toSorted());
    },
  );

  test('has columns of every kind of type, what jsonb cannot hold as text', async () => {
    await run(
      "create type app_public.mood as enum ('sad', 'ok')",
      'create type app_public.pair as (a int, b json)',
      'create domain app_public.document as json',
    );
    await add(
      `tenant_id text not null, id int, v text, j json, js json[], d app_public.document, p point, b box, ci circle, pa path,
       po polygon, i interval, n numeric, f float8, m app_public.mood, pr app_public.pair, prs app_public.pair[], r int4range,
       mr int4multirange, ts tsvector, bi bit(3), ve public.vector(2), mo money, ip inet, big text,
       g int generated always as (id * 2) stored, primary key (tenant_id, id)`,
    );
    await run(`insert into app_public.added (tenant_id, id, v, j, js, d, p, b, ci, pa, po, i, n, pr, prs) values
      ('default', 1, 'a', '{"a": "\\u0000"}', array['"\\u0000"'::json], '1e999999', '(1,2)', '(1,1),(0,0)', '<(0,0),1>', '((0,0),(1,1))',
       '((0,0),(1,1))', '1 mon', 1.0, row(1, '{}'), array[row(1, '"\\u0000"')::app_public.pair])`);
    expect(await logged("update app_public.added set v = 'b'")).toMatchObject([
      { key: { tenant_id: 'default', id: 1 }, old: { v: 'a' }, new: { v: 'b' } },
    ]);
    // Equal by what these types call =, and another value.
    const changes = {
      b: '(6,6),(5,5)',
      ci: '<(9,9),1>',
      pa: '((5,5),(7,7))',
      i: '30 days',
      n: '1.00',
      j: '{"a": "\\u0000", "b": 1}',
      p: '(2,1)',
      pr: '(1,[])',
      m: 'ok',
      ve: '[1,2]',
    };
    for (const [column, value] of Object.entries(changes)) {
      const rows = await logged(`update app_public.added set ${column} = '${value}'`);
      expect(rows.map((row) => Object.keys(row.new ?? {}))).toEqual([[column]]);
    }
    expect(await logged('update app_public.added set v = v, j = j, p = p, b = b, prs = prs')).toEqual([]);
    const [gone] = await logged('delete from app_public.added');
    expect(gone?.old).toMatchObject({ v: 'b', j: changes.j, d: '1e999999', i: changes.i, g: 2 });
  });

  test('follows when columns are renamed, dropped, added and get other types, the key too', async () => {
    await add(withTenant);
    await run("insert into app_public.added values ('default', 1, 'a', 'red')");
    const change = async (ddl: string, update: string) => {
      await run(ddl);
      const [row, ...more] = await logged(update);
      expect(more).toEqual([]);
      return row;
    };
    // Statements of the session that were planned before the change, too.
    await logged("update app_public.added set v = 'b', color = 'green'");
    expect(
      await change(
        'alter table app_public.added rename color to colour',
        "update app_public.added set v = 'c', colour = 'blue'",
      ),
    ).toMatchObject({ old: { v: 'b', colour: 'green' }, new: { v: 'c', colour: 'blue' } });
    expect(
      await change(
        'alter table app_public.added add shade text',
        "update app_public.added set v = 'd', shade = 'dark'",
      ),
    ).toMatchObject({ old: { v: 'c', shade: null }, new: { v: 'd', shade: 'dark' } });
    expect(
      await change(
        'alter table app_public.added drop shade; alter table app_public.added add tone text',
        "update app_public.added set v = 'e', tone = 'low'",
      ),
    ).toMatchObject({ new: { v: 'e', tone: 'low' } });
    expect(
      await change('alter table app_public.added drop colour', "update app_public.added set v = 'f'"),
    ).toMatchObject({ new: { v: 'f' } });
    expect(
      await change(
        'alter table app_public.added alter v type json using to_json(v)',
        `update app_public.added set v = '{"g": 1}'`,
      ),
    ).toMatchObject({ old: { v: 'f' }, new: { v: { g: 1 } } });
    expect(
      await change(
        'alter table app_public.added rename id to number',
        "update app_public.added set tone = 'high'",
      ),
    ).toMatchObject({ key: { tenant_id: 'default', number: 1 }, new: { tone: 'high' } });
    expect(
      await logged("insert into app_public.added values ('default', 2)", 'delete from app_public.added'),
    ).toMatchObject([{ key: { number: 2 } }, { key: { number: 1 } }, { key: { number: 2 } }]);
    await run('alter table app_public.added drop constraint added_pkey');
    expect(
      await logged(
        "insert into app_public.added values ('default', 3)",
        'update app_public.added set tone = null',
        "update app_public.added set tone = 'x'",
      ),
    ).toMatchObject([
      { tenant: 'default', new: { number: 3 } },
      { tenant: 'default', new: { tone: 'x' } },
    ]);
  });

  test('calls a table as it is called', async () => {
    await add(withTenant);
    await run(
      'create schema elsewhere',
      'alter table app_public.added rename to moved',
      'alter table app_public.moved set schema elsewhere',
    );
    const rows = await logged(
      "insert into elsewhere.moved values ('default', 1, 'a')",
      "update elsewhere.moved set v = 'b'",
      'delete from elsewhere.moved',
      'truncate elsewhere.moved',
    );
    expect(rows.map(({ table, operation }) => [table, operation])).toEqual(
      ['insert', 'update', 'delete', 'truncate'].map((operation) => ['elsewhere.moved', operation]),
    );
  });

  test('tells tables apart whose names are the same, or begin with the same 63 bytes', async () => {
    const long = 'ü'.repeat(31);
    const names = ['app_public.added', 'audited.added', `app_public.${long}`, `audited.${long}`];
    await run('create schema audited');
    for (const [i, name] of names.entries())
      await add(`tenant_id text not null, id int primary key, c${i} text`, '', name);
    for (const [i, name] of names.entries()) {
      const rows = await logged(
        `insert into ${name} values ('default', 1)`,
        `update ${name} set c${i} = 'x'`,
      );
      expect(rows).toMatchObject([
        { table: name },
        { table: name, old: { [`c${i}`]: null }, new: { [`c${i}`]: 'x' } },
      ]);
    }
  });

  test('has partitions, whoever makes or attaches them', async () => {
    await run(`create table app_public.added (${withTenant}) partition by list (tenant_id)`);
    await run(
      "create table app_public.added_one partition of app_public.added for values in ('one')",
      "select audit.enable_tracking('app_public.added')",
      // Its columns are in another order.
      'create table app_public.added_two (color text, gone int, v text, id int, tenant_id text not null, primary key (tenant_id, id))',
      'alter table app_public.added_two drop gone',
      "alter table app_public.added attach partition app_public.added_two for values in ('two')",
    );
    const rows = await logged(
      "insert into app_public.added values ('one', 1, 'a', 'red'), ('two', 2, 'a', 'red')",
      "insert into app_public.added_two (tenant_id, id) values ('two', 3)",
      "update app_public.added set v = 'b' where id < 3",
      "update app_public.added_one set tenant_id = 'one', v = 'c'",
      'delete from app_public.added',
    );
    expect(new Set(rows.map(({ table }) => table))).toEqual(new Set(['app_public.added']));
    const changes = rows.map(({ operation, tenant, key }) => `${operation} ${tenant} ${key?.['id']}`);
    expect(changes.toSorted()).toEqual([
      'delete one 1',
      'delete two 2',
      'delete two 3',
      'insert one 1',
      'insert two 2',
      'insert two 3',
      'update one 1',
      'update one 1',
      'update two 2',
    ]);
    await run("select audit.enable_tracking('app_public.added', detail => false)");
    expect(await logged("insert into app_public.added_one values ('one', 1)")).toMatchObject([
      { table: 'app_public.added_one', tenant: 'one', key: null },
    ]);
  });

  test('keeps digests of what is secret, also under another name, and nothing of what is left out', async () => {
    await add(
      `tenant_id text not null, secret text, v text, seen int, primary key (tenant_id, secret)`,
      ", digested => '{secret}', omitted => '{seen}'",
    );
    const all = async (name: string) => {
      const rows = await logged(
        `insert into app_public.added (tenant_id, ${name}, v) values ('default', 'top secret', 'a')`,
        `update app_public.added set v = 'b', ${name} = 'top secret 2'`,
        'update app_public.added set seen = 1',
        'delete from app_public.added',
      );
      expect(JSON.stringify(rows)).not.toContain('top secret');
      expect(JSON.stringify(rows)).not.toContain('seen');
      expect(rows).toMatchObject([
        { operation: 'insert', key: { [name]: hidden }, new: { v: expect.any(String), [name]: hidden } },
        { operation: 'update', old: { [name]: hidden }, new: { [name]: hidden } },
        { operation: 'delete', old: { [name]: hidden } },
      ]);
      return rows;
    };
    expect((await all('secret'))[0]?.new?.['v']).toBe('a');
    await run('alter table app_public.added rename secret to token');
    await all('token');
    await run(
      'alter table app_public.added rename v to secret',
      'alter table app_public.added rename token to v',
    );
    expect(
      JSON.stringify(await logged("insert into app_public.added values ('default', 'top secret', 'x')")),
    ).not.toContain('top secret');
    await run('delete from app_public.added');
    await run(
      'alter table app_public.added rename v to token',
      'alter table app_public.added rename secret to v',
    );
    await run("select audit.enable_tracking('app_public.added', digested => '{token}', omitted => '{seen}')");
    expect((await all('token'))[0]?.new?.['v']).toBe('a');
  });

  test('is not stopped by a summary whose tenants have no name any more', async () => {
    await add(withTenant, ', detail => false');
    await run('alter table app_public.added rename tenant_id to organisation');
    const { rows } = await admin.query('select coalesce(max(id), 0) as last from audit.log');
    await run(
      "insert into app_public.added values ('default', 1), ('default', 2)",
      'delete from app_public.added where false',
    );
    const found = await admin.query('select operation, tenant_id, row_count from audit.log where id > $1', [
      rows[0].last,
    ]);
    expect(found.rows).toEqual([{ operation: 'insert', tenant_id: null, row_count: 2 }]);
  });

  test('is refused, with the reason, to tables that it could not serve', async () => {
    await run(
      'create table app_public.nobodys (id int primary key)',
      'create table app_public.keyless (tenant_id text)',
      `create table app_public.parted (${withTenant}) partition by list (tenant_id)`,
      'create table app_public.part partition of app_public.parted default',
      `create table app_public.whole (${withTenant})`,
    );
    for (const [call, code, message] of [
      ["'app_public.keyless'", 'LTA01', 'cannot audit app_public.keyless: it has no primary key'],
      ["'app_public.nobodys'", 'LTA02', 'cannot audit app_public.nobodys: it has no column tenant_id'],
      ["'app_public.part'", 'LTA02', 'cannot audit app_public.part: it is a partition of app_public.parted'],
      ["'audit.log'", 'LTA02', 'cannot audit audit.log: it is part of the log'],
      [
        "'app_public.whole', digested => '{v,nothing}'",
        'LTA02',
        'cannot audit app_public.whole: it has no column nothing',
      ],
      [
        "'app_public.whole', omitted => '{id}'",
        'LTA02',
        'cannot audit app_public.whole: the log needs the tenant and the key of a row',
      ],
    ])
      expect(await refusal(`select audit.enable_tracking(${call})`)).toMatchObject({ code, message });
  });

  test('says where a change would leave no row', async () => {
    const gaps = async () =>
      (await admin.query('select subject, severity, details from ops.check_audit order by subject')).rows.map(
        ({ subject, severity, details }) => `${severity} ${subject} ${details.missing}`,
      );
    expect(await gaps()).toEqual([]);
    await add(withTenant);
    await run('create table app_public.child () inherits (app_public.added)');
    expect(await gaps()).toEqual(['error app_public.child delete,insert,truncate,update']);
    await run('drop table app_public.child', 'alter table app_public.added disable trigger user');
    expect(await gaps()).toEqual(['error app_public.added delete,insert,truncate,update']);
    await run(
      'alter table app_public.added enable trigger user',
      'alter table app_public.added rename v to w',
    );
    expect(await gaps()).toEqual(['warning app_public.added ']);
    await run("select audit.enable_tracking('app_public.added')");
    expect(await gaps()).toEqual([]);
    await run(
      `create table app_public.parted (${withTenant}) partition by list (tenant_id)`,
      "select audit.enable_tracking('app_public.parted')",
      'create table app_public.part partition of app_public.parted default',
    );
    expect(await gaps()).toEqual(['error app_public.part truncate']);
    await run("select audit.enable_tracking('app_public.parted')");
    expect(await gaps()).toEqual([]);
    await run('alter table app_public.parted detach partition app_public.part');
    expect(await gaps()).toEqual(['error app_public.part delete,insert,update']);
  });
});

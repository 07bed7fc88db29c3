import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { other, own } from '../../support/tenants.ts';
import { settingsOf } from '../../support/two-tenants.ts';

interface Entry {
  readonly id: string;
  readonly at: Date;
  readonly table_name: string;
  readonly operation: string;
  readonly row_count: number;
  readonly key: Record<string, unknown> | null;
  readonly old_values: Record<string, unknown> | null;
  readonly new_values: Record<string, unknown> | null;
  readonly subject: string | null;
  readonly request_id: string | null;
  readonly cursor: string;
}

interface RowAsOf {
  readonly state: string;
  readonly row_values: Record<string, unknown> | null;
  readonly unknown_columns: readonly string[] | null;
  readonly digested_columns: readonly string[] | null;
  readonly note: string | null;
}

describe.each(apiTargets)('the audit log, read by an administrator (%s)', (_, open) => {
  let target: ApiTarget;
  let admin: Client;

  beforeAll(async () => {
    target = await open();
    admin = target.admin;
    for (const tenant of [own, other]) await admin.query('select ops.create_tenant($1, $1)', [tenant]);
    await as('service', own, "insert into agents (id, name, model) values ('a', 'A', 'm')");
    await as('service', own, "update agents set name = 'B' where id = 'a'");
    await as(
      'service',
      other,
      "insert into agents (id, name, model) values ('a', 'secret of the other', 'm')",
    );
  });
  afterAll(() => target?.close());

  const as = async <Row = Record<string, unknown>>(
    role: 'anon' | 'member' | 'service' | 'admin',
    tenant: string,
    text: string,
    values: readonly unknown[] = [],
  ): Promise<readonly Row[]> =>
    (await target.database.queryWith<Row>(settingsOf(role, tenant), { text, values: [...values] })).rows;
  const search = (args: string, tenant = own) =>
    as<Entry>('admin', tenant, `select * from audit_search(${args})`);
  const history = (args: string, tenant = own) =>
    as<Entry>('admin', tenant, `select * from row_history(${args})`);
  const asOf = async (args: string, tenant = own): Promise<RowAsOf> =>
    (await as<RowAsOf>('admin', tenant, `select * from row_as_of(${args})`))[0]!;
  /** The moment after all that was done. */
  const moment = async (): Promise<string> => {
    const { rows } = await admin.query<{ now: string }>(
      'select pg_sleep(0.002), to_char(clock_timestamp() at time zone \'UTC\', \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\') as now',
    );
    await admin.query('select pg_sleep(0.002)');
    return rows[0]!.now;
  };

  test('shows the entries of the own tenant, the newest first, and none of another', async () => {
    const entries = await search("'agents'");
    expect(entries.map(({ operation, key }) => [operation, key])).toEqual([
      ['update', { tenant_id: own, id: 'a' }],
      ['insert', { tenant_id: own, id: 'a' }],
    ]);
    expect(entries[0]).toMatchObject({ old_values: { name: 'A' }, new_values: { name: 'B' } });
    expect(JSON.stringify(await search(''))).not.toContain('secret of the other');
    expect(JSON.stringify(await search("'agents'", other))).toContain('secret of the other');
  });

  test.each([
    ['table with its schema', "'app_public.agents'", 2],
    ['key as the single value', `'agents', '"a"'`, 2],
    ['key as an object', `'agents', '{"id": "a"}'`, 2],
    ['key with the tenant', `'agents', '{"tenant_id": "${own}", "id": "a"}'`, 2],
    ['key of the other tenant', `'agents', '{"tenant_id": "${other}", "id": "a"}'`, 0],
    ['subject', `'agents', subject => 'service@${own}'`, 2],
    ['subject that did nothing', `'agents', subject => 'nobody'`, 0],
    ['operation', `'agents', operation => 'insert'`, 1],
    ['operation in capitals', `'agents', operation => 'INSERT'`, 1],
    ['role as callers know it', `'agents', role => 'service'`, 2],
    ['role that did nothing', `'agents', role => 'admin'`, 0],
    ['request', `'agents', request_id => 'request of service'`, 2],
    ['range of time', `'agents', "from" => now() - interval '1 hour', "to" => now() + interval '1 hour'`, 2],
    ['range before', `'agents', "to" => now() - interval '1 hour'`, 0],
    ['range after', `'agents', "from" => now() + interval '1 hour'`, 0],
  ])('finds entries by %s', async (_name, args, count) => {
    expect(await search(args)).toHaveLength(count);
  });

  test('gives pages that end, without a gap and without an entry twice', async () => {
    await as(
      'service',
      own,
      "insert into agents (id, name, model) select 'many' || n, 'N', 'm' from generate_series(1, 25) n",
    );
    const seen: string[] = [];
    let before = 'null';
    for (let pages = 0; pages < 20; pages += 1) {
      const page = await search(`'agents', before => ${before}, max_rows => 4`);
      if (page.length === 0) break;
      seen.push(...page.map(({ id }) => id));
      before = `'${page.at(-1)!.cursor}'`;
    }
    const all = (await search("'agents', max_rows => 1000")).map(({ id }) => id);
    expect(seen).toEqual(all);
    expect(all).toHaveLength(27);
  });

  test.each([
    ['a cursor that it never gave', "before => 'x'", 'LTA08'],
    ['no rows', 'max_rows => 0', 'LTA08'],
    ['too many rows', 'max_rows => 1001', 'LTA08'],
    ['a key without its table', `key => '"a"'`, 'LTA08'],
  ])('refuses %s', async (_name, args, code) => {
    await expect(search(args)).rejects.toMatchObject({ code });
  });

  test.each([
    ['a table that does not exist', `'taks', '"a"'`, 'LTA07', /no such table/],
    ['a table that is not audited', `'app_private.events', '1'`, 'LTA07', /not audited/],
    ['a table that is logged by statement', `'metrics', '1'`, 'LTA07', /by statement/],
    ['no key', `'agents', null`, 'LTA08', /key/],
    ['no table', `null, '1'`, 'LTA08', /table/],
  ])(
    'refuses the history of %s, because silence would look as if nothing had happened',
    async (_name, args, code, message) => {
      await expect(history(args)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
      await expect(asOf(`${args}, now()`)).rejects.toMatchObject({ code });
    },
  );

  test('logs each read: who, what, from which request, and how much it gave; a search finds it', async () => {
    const asked = await search(`'agents', '"a"', operation => 'insert'`);
    await history(`'agents', '"a"'`);
    await asOf(`'agents', '"a"', '2020-01-01'`);
    const reads = await search("'audit.log', operation => 'read', max_rows => 3");
    expect(
      reads.map(({ new_values: read, row_count: count, subject, request_id: request }) => ({
        read,
        count,
        subject,
        request,
      })),
    ).toMatchObject([
      { read: { function: 'row_as_of', arguments: { table: 'agents', key: 'a' } }, count: 1 },
      {
        read: { function: 'row_history', arguments: { table: 'agents', key: 'a', max_rows: 100 } },
        count: 2,
      },
      {
        read: {
          function: 'audit_search',
          arguments: { table: 'agents', key: 'a', operation: 'insert', max_rows: 100 },
        },
        count: asked.length,
        subject: `admin@${own}`,
        request: 'request of admin',
      },
    ]);
    expect(JSON.stringify(await search("'audit.log'", other))).not.toContain(`admin@${own}`);
  });

  test('is refused to every other role, and nobody selects from the log itself', async () => {
    for (const role of ['anon', 'member', 'service'] as const) {
      for (const call of [
        'audit_search()',
        `row_history('agents', '"a"')`,
        `row_as_of('agents', '"a"', now())`,
      ])
        await expect(as(role, own, `select * from ${call}`)).rejects.toMatchObject({ code: '42501' });
    }
    for (const role of ['anon', 'member', 'service', 'admin'] as const) {
      for (const text of [
        'select * from audit.log',
        'select * from ops.audit_activity()',
        "select * from audit.row_entries('{}', '{}', 'acme')",
        `select * from audit.matching_entries('${other}', true, null, null, null, null, null, null, null, null, null, null, 10)`,
        "select audit.log_read('acme', 'x', '{}', 1)",
        "select audit.record_event('x', 'y')",
      ])
        await expect(as(role, own, text)).rejects.toMatchObject({ code: '42501' });
    }
  });

  test('cannot be read in a transaction that writes nothing, where the read could not be logged', async () => {
    await expect(
      target.database.transaction(settingsOf('admin', own), async (t) => {
        await t.query({ text: 'set transaction read only' });
        return t.query({ text: 'select * from audit_search()' });
      }),
    ).rejects.toMatchObject({ code: '25006' });
  });

  test('gives the history of a row, the oldest first, in pages', async () => {
    const all = await history(`'agents', '"a"'`);
    expect(all.map(({ operation, new_values: values }) => [operation, values?.['name']])).toEqual([
      ['insert', 'A'],
      ['update', 'B'],
    ]);
    const [first] = await history(`'agents', '"a"', max_rows => 1`);
    expect(first).toEqual(all[0]);
    expect(await history(`'agents', '"a"', '${first!.cursor}'`)).toEqual([all[1]]);
    expect(await history(`'agents', '"never there"'`)).toEqual([]);
    expect(JSON.stringify(await history(`'agents', '"a"', max_rows => 1000`, other))).toContain(
      'secret of the other',
    );
  });

  test('rebuilds a row as it was, through an update, a delete and a second life', async () => {
    const moments = [await moment()];
    for (const text of [
      "insert into agents (id, name, model) values ('b', 'one', 'm')",
      "update agents set name = 'two' where id = 'b'",
      "delete from agents where id = 'b'",
      "insert into agents (id, name, model) values ('b', 'three', 'n')",
    ]) {
      await as('service', own, text);
      moments.push(await moment());
    }
    const rows = [];
    for (const at of moments) rows.push(await asOf(`'agents', '"b"', '${at}'`));
    expect(
      rows.map(({ state, row_values: values, note }) => [state, values?.['name'], values?.['model'], note]),
    ).toEqual([
      ['absent', undefined, undefined, null],
      ['present', 'one', 'm', null],
      ['present', 'two', 'm', null],
      ['absent', undefined, undefined, null],
      ['present', 'three', 'n', null],
    ]);
    const { rows: live } = await admin.query(
      "select to_jsonb(a) as row from agents a where tenant_id = $1 and id = 'b'",
      [own],
    );
    expect(rows.at(-1)?.row_values).toEqual(live[0].row);
    expect(rows.at(-1)?.unknown_columns).toEqual([]);
    expect((await asOf(`'agents', '"b"', 'infinity'`, other)).state).toBe('unknown');
  });

  test('takes changes back from a later delete where the log does not have the beginning', async () => {
    await admin.query('alter table agents disable trigger _800_audit_insert');
    await as(
      'service',
      own,
      "insert into agents (id, name, model, specialization) values ('old', 'one', 'm', 's'), ('older', 'one', 'm', 's')",
    );
    await admin.query('alter table agents enable trigger _800_audit_insert');
    const moments = [await moment()];
    for (const text of [
      "update agents set name = 'two' where id = 'old'",
      "update agents set name = 'three', model = 'n' where id = 'old'",
      "delete from agents where id = 'old'",
    ]) {
      await as('service', own, text);
      moments.push(await moment());
    }
    const rows = [];
    for (const at of moments) rows.push(await asOf(`'agents', '"old"', '${at}'`));
    expect(
      rows.map(({ state, row_values: v, unknown_columns: unknown }) => [
        state,
        v?.['name'],
        v?.['model'],
        v?.['specialization'],
        unknown,
      ]),
    ).toEqual([
      ['present', 'one', 'm', 's', []],
      ['present', 'two', 'm', 's', []],
      ['present', 'three', 'n', 's', []],
      ['absent', undefined, undefined, undefined, null],
    ]);
    // Without a delete only the columns that changed are known, and the others are said.
    expect((await asOf(`'agents', '"older"', now()`)).state).toBe('unknown');
    await as('service', own, "update agents set name = 'two' where id = 'older'");
    expect(await asOf(`'agents', '"older"', '${moments[0]}'`)).toMatchObject({
      state: 'present',
      row_values: { name: 'one' },
      unknown_columns: expect.arrayContaining(['model', 'specialization', 'config']),
      note: expect.stringContaining('only columns that changed'),
    });
    expect((await asOf(`'agents', '"older"', now()`)).row_values).toMatchObject({ name: 'two' });
  });

  test('says which columns it has digests of, and shows no secret and no embedding', async () => {
    const token = 'f'.repeat(64);
    const embedding = `[${Array(1536).fill(0.5).join()}]`;
    await as(
      'service',
      own,
      `insert into sessions (id, user_id, token, expires_at) values ('00000000-0000-4000-8000-00000000000a', 'u', '${token}', now())`,
    );
    await as(
      'service',
      own,
      `insert into knowledge (id, content, embedding) values ('k', 'known', '${embedding}')`,
    );
    const session = await asOf(`'sessions', '"00000000-0000-4000-8000-00000000000A"', 'infinity'`);
    expect(session).toMatchObject({
      state: 'present',
      digested_columns: ['token'],
      note: expect.stringContaining('digests'),
    });
    expect(session.row_values).toMatchObject({ user_id: 'u' });
    const item = await asOf(`'knowledge', '"k"', 'infinity'`);
    expect(item).toMatchObject({ digested_columns: ['embedding'], row_values: { content: 'known' } });
    const answers = JSON.stringify([
      session,
      item,
      await search('max_rows => 1000'),
      await history(`'knowledge', '"k"'`),
    ]);
    expect(answers).toContain('sha256:');
    expect(answers).not.toContain(token);
    expect(answers).not.toContain('0.5,0.5');
  });

  test('knows that a truncate ended a row', async () => {
    await admin.query('create table app_public.brief (tenant_id text not null, id int primary key, v text)');
    await admin.query("select audit.enable_tracking('app_public.brief', omitted => '{v}')");
    await admin.query(`insert into app_public.brief values ('${own}', 1, 'x')`);
    const before = await moment();
    await admin.query('truncate app_public.brief');
    expect(await asOf(`'brief', '1', '${before}'`)).toMatchObject({
      state: 'present',
      row_values: { tenant_id: own, id: 1 },
      unknown_columns: ['v'],
      note: expect.stringContaining('leaves columns out'),
    });
    expect((await asOf(`'brief', '1', 'infinity'`)).state).toBe('absent');
    expect((await history(`'brief', '"1"'`)).map(({ operation }) => operation)).toEqual([
      'insert',
      'truncate',
    ]);
    expect(await history(`'brief', '2'`)).toEqual([]);
  });

  test('knows a row that was there before its table was audited, and nothing of it before that', async () => {
    await admin.query(
      'create table app_public.older (tenant_id text not null, id int primary key, v text, w text)',
    );
    await admin.query(`insert into app_public.older values ('${own}', 1, 'x', 'y')`);
    const before = await moment();
    await admin.query("select audit.enable_tracking('app_public.older')");
    await admin.query("update app_public.older set v = 'z'");
    expect((await asOf(`'older', '1', '${before}'`)).state).toBe('unknown');
    expect(await asOf(`'older', '1', 'infinity'`)).toMatchObject({
      state: 'present',
      row_values: { v: 'z', w: 'y' },
      unknown_columns: [],
      note: null,
    });
    expect((await history(`'older', '1'`)).map(({ operation }) => operation)).toEqual(['present', 'update']);
  });

  test('serves tables of any name and key, also once they are renamed or dropped', async () => {
    const name = 'A "quoted".table';
    await admin.query(
      `create table app_public."A ""quoted"".table" (owner_no bigint, "Part." numeric, tenant_id text not null, v int, primary key (owner_no, "Part."))`,
    );
    await admin.query(`select audit.enable_tracking('app_public."A ""quoted"".table"')`);
    const row = (table: string) => history(`'${table}', '{"owner_no": "9007199254740993", "Part.": 1.50}'`);
    await admin.query(
      `insert into app_public."A ""quoted"".table" values (9007199254740993, 1.5, '${own}', 1)`,
    );
    expect(await row(name)).toMatchObject([{ operation: 'insert', table_name: `app_public.${name}` }]);
    await admin.query(`alter table app_public."A ""quoted"".table" rename column v to w`);
    await admin.query(`update app_public."A ""quoted"".table" set w = 2`);
    expect((await row(name)).map((entry) => entry.new_values)).toMatchObject([{ v: 1 }, { w: 2 }]);
    expect(
      (await asOf(`'${name}', '{"owner_no": 9007199254740993, "Part.": 1.5}', 'infinity'`)).row_values,
    ).toMatchObject({ v: 1, w: 2 });
    await admin.query(`alter table app_public."A ""quoted"".table" rename to plain`);
    await admin.query('update app_public.plain set w = 3');
    expect(await row('plain')).toMatchObject([{ operation: 'update', new_values: { w: 3 } }]);
    await admin.query('drop table app_public.plain');
    // As JSON prints them: nothing says any longer what the texts were.
    expect(await history(`'plain', '{"owner_no": 9007199254740993, "Part.": 1.5}'`)).toHaveLength(1);
  });
});

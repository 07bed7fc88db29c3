import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readHead } from '../../src/audit/anchor.ts';
import type { Anchor } from '../../src/audit/anchor.ts';
import { rowDigest } from '../../src/audit/row-digest.ts';
import { verifyChain } from '../../src/audit/verify-chain.ts';
import type { ChainVerdict } from '../../src/audit/verify-chain.ts';
import { clientExecutor } from '../../src/db/client-executor.ts';
import { sealAll } from '../support/seal-all.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';

/** When the rows were written: what the tests call this month stays the same where the calendar's turns while they run. */
let now = new Date();

function startOf(ahead: number): string {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead, 1)).toISOString();
}

function monthOf(ahead: number): string {
  return startOf(ahead).slice(0, 7).replace('-', '');
}

const nextMonth = () => `'${startOf(1)}'::timestamptz + interval '1 day'`;

/** The chain from link `$1` on, written anew over the rows as they are: what somebody can do who may write everything. */
const rewrite = `
  do $do$
  declare
    v_number bigint := LINK;
    v_seal audit.seals;
  begin
    for v_seal in select * from audit.seals where number >= v_number order by number loop
      execute format($q$
        update audit.seal_parts p
        set digest = f.digest, ids = f.ids, leaves = f.leaves, row_count = f.n
        from (
          select d.month, count(*) as n, array_agg(d.id order by d.transaction_id, d.id) as ids,
            sha256(string_agg(int8send(d.id) || d.digest, ''::bytea order by d.transaction_id, d.id)) as digest,
            string_agg(substr(d.digest, 1, 16), ''::bytea order by d.transaction_id, d.id) as leaves
          from (
            select r.id, r.transaction_id, date_trunc('month', r.at, 'UTC') as month, %s as digest from audit.log r
            where (r.transaction_id, r.id) > ($2, $3) and (r.transaction_id, r.id) <= ($4, $5)
          ) d
          group by d.month
        ) f
        where p.number = $1 and p.month = f.month
      $q$, audit.log_digest_expression())
      using v_seal.number, v_seal.from_transaction_id, v_seal.from_id, v_seal.to_transaction_id, v_seal.to_id;
      v_seal.digest := (
        select sha256(string_agg(timestamptz_send(p.month) || int8send(p.row_count) || p.digest, ''::bytea order by p.month))
        from audit.seal_parts p where p.number = v_seal.number
      );
      v_seal.previous := coalesce((select s.hash from audit.seals s where s.number = v_seal.number - 1), decode(repeat('00', 32), 'hex'));
      v_seal.hash := audit.seal_hash(v_seal);
      update audit.seals s set digest = v_seal.digest, previous = v_seal.previous, hash = v_seal.hash where s.number = v_seal.number;
    end loop;
  end
  $do$`;

describe.each(workerTargets)('verifying the chain, %s', (_kind, open) => {
  let target: WorkerTarget;
  let admin: Client;
  let anchor: Anchor;
  /** What setup recorded, sealed as one link, and then the test's own rows: their ids in the order in which they were sealed. */
  let recorded: string[];
  let ids: string[];
  /** Those of next month's partition. */
  let later: string[];
  /** The first row of this month's partition: a row of setup, or of the test where the month turned in between. */
  let firstOfMonth: string;

  beforeAll(async () => {
    target = await open();
    ({ admin } = target);
    const inOrder = async (): Promise<string[]> => {
      const { rows } = await admin.query<{ id: string }>(
        'select id from audit.log order by transaction_id, id',
      );
      return rows.map(({ id }) => id);
    };
    await sealAll(target.database, admin);
    recorded = await inOrder();
    now = new Date();
    for (let i = 0; i < 12; i += 1) {
      await admin.query(
        `insert into app_public.tasks (tenant_id, description, context) values ('default', $1, '{"n": 1.00}')`,
        [`täsk ${i}`],
      );
    }
    // Rows of another partition in the middle of the chain.
    await admin.query(
      `insert into audit.log (at, tenant_id, table_name, operation, row_count, role) select ${nextMonth()}, null, 'x', 'ddl', 1, 'r' from generate_series(1, 3)`,
    );
    for (let i = 0; i < 6; i += 1) {
      await admin.query(
        `update app_public.tasks set description = description || '?' where tenant_id = 'default'`,
      );
    }
    await sealAll(target.database, admin, 5);
    ids = (await inOrder()).slice(recorded.length);
    const { rows: ahead } = await admin.query<{ id: string }>(
      `select id from audit.log_p${monthOf(1)} order by transaction_id, id`,
    );
    later = ahead.map(({ id }) => id);
    const { rows: current } = await admin.query<{ id: string }>(
      `select id from audit.log_p${monthOf(0)} order by transaction_id, id limit 1`,
    );
    firstOfMonth = current[0]!.id;
    anchor = (await readHead(clientExecutor(admin)))!;
  });
  afterAll(() => target?.close());

  const verify = (anchors: readonly Anchor[] = []): Promise<ChainVerdict> =>
    verifyChain({ executor: clientExecutor(admin), anchors });

  interface Tampered {
    readonly verdict: ChainVerdict;
    /** What audit.verify says. */
    readonly inSql: { ok: boolean; problem: { kind: string; seal: number; id?: number } | null };
    readonly affected: number;
  }

  /** Tampers as a superuser with all triggers off, looks, and takes it back. */
  const tamper = async (
    statements: readonly string[],
    anchors: readonly Anchor[] = [],
  ): Promise<Tampered> => {
    await admin.query('begin');
    try {
      await admin.query('set local session_replication_role = replica');
      let affected = 0;
      for (const statement of statements) affected += (await admin.query(statement)).rowCount ?? 0;
      const verdict = await verify(anchors);
      const { rows } = await admin.query<{ found: Tampered['inSql'] }>('select audit.verify($1) as found', [
        anchors[0] ?? null,
      ]);
      return { verdict, inSql: rows[0]!.found, affected };
    } finally {
      await admin.query('rollback');
    }
  };

  test('an honest chain is clean, every row of it, whatever the settings of the session', async () => {
    const { rows } = await admin.query<{ count: string }>('select count(*) from audit.log');
    const expected = {
      rows: Number(rows[0]!.count),
      removedRows: 0,
      unsealedRows: 0,
      anchors: 1,
      head: anchor,
      tampering: null,
    };
    expect(expected.rows).toBeGreaterThan(80);
    expect(await verify([anchor])).toMatchObject(expected);
    await admin.query('begin');
    for (const setting of [
      "timezone = 'Asia/Kolkata'",
      "datestyle = 'German'",
      'extra_float_digits = 0',
      "bytea_output = 'escape'",
      "intervalstyle = 'sql_standard'",
      // The embedded database speaks UTF8 only.
      ...(target.kind === 'server' ? ["client_encoding = 'LATIN1'"] : []),
    ]) {
      await admin.query(`set local ${setting}`);
    }
    const elsewhere = await verify([anchor]);
    const { rows: inSql } = await admin.query('select audit.verify($1) as found', [anchor]);
    await admin.query('rollback');
    expect(elsewhere).toMatchObject({ ...expected, head: { hash: anchor.hash } });
    expect(inSql).toMatchObject([{ found: { ok: true, rows: expected.rows, problem: null } }]);
  });

  test('the verifier and the sealer make the same digest of a row', async () => {
    const ours = await rowDigest(clientExecutor(admin));
    const { rows: text } = await admin.query<{ theirs: string }>(
      'select audit.log_digest_expression() as theirs',
    );
    const { rows } = await admin.query<{ count: string; same: boolean }>(
      `select count(*), bool_and(${ours} = ${text[0]!.theirs}) as same from audit.log r`,
    );
    expect(rows).toMatchObject([{ same: true }]);
    expect(Number(rows[0]!.count)).toBeGreaterThan(0);
  });

  test('a column whose type has no form that is the same in every session is refused, by sealer and verifier', async () => {
    await expect(
      tamper([
        'alter table audit.log add column odd double precision',
        'select audit.log_digest_expression()',
      ]),
    ).rejects.toMatchObject({
      code: 'LTA04',
      message: expect.stringContaining('odd, of type double precision'),
    });
    await expect(tamper(['alter table audit.log add column odd double precision'])).rejects.toThrow('odd');
  });

  test('every column of the log counts', async () => {
    const { rows } = await admin.query<{ name: string; type: string }>(
      `select attname as name, format_type(atttypid, null) as type from pg_attribute
       where attrelid = 'audit.log'::regclass and attnum > 0 and not attisdropped and attname not in ('id', 'at', 'transaction_id')`,
    );
    expect(rows.length).toBeGreaterThan(9);
    for (const { name, type } of rows) {
      const value = type === 'jsonb' ? `'{"other": 1}'` : type === 'integer' ? '77' : `'other'`;
      const { verdict, affected } = await tamper([
        `update audit.log set ${name} = ${value} where id = ${ids[10]}`,
      ]);
      expect(affected, name).toBe(1);
      expect(verdict.tampering, name).toMatchObject({ kind: 'altered', row: { id: ids[10] } });
    }
  });

  const cases: readonly (readonly [
    what: string,
    statements: () => readonly string[],
    found: () => { kind: string; id?: string; partition?: unknown },
  ])[] = [
    [
      'an update',
      () => [
        `update audit.log set new_values = new_values || '{"description": "mine"}' where id = ${ids[7]}`,
      ],
      () => ({ kind: 'altered', id: ids[7]!, partition: expect.stringMatching(/^audit\.log_p\d{6}$/) }),
    ],
    [
      'a digit behind the point',
      () => [
        `update audit.log set new_values = new_values || '{"context": {"n": 1.0}}' where id = ${ids[3]}`,
      ],
      () => ({ kind: 'altered', id: ids[3]! }),
    ],
    [
      'a delete',
      () => [`delete from audit.log where id = ${ids[20]}`],
      () => ({ kind: 'removed', id: ids[20]!, partition: expect.stringMatching(/^audit\.log_p\d{6}$/) }),
    ],
    [
      'an insert between sealed rows',
      () => [
        `insert into audit.log (id, at, transaction_id, tenant_id, table_name, operation, row_count, role) overriding system value
         select 999999, at, transaction_id, tenant_id, table_name, operation, 1, role from audit.log where id = ${ids[9]}`,
      ],
      () => ({ kind: 'slipped in', id: '999999' }),
    ],
    [
      'an insert before all sealed rows',
      () => [
        `insert into audit.log (id, transaction_id, table_name, operation, row_count, role) overriding system value values (-5, '1', 'x', 'insert', 1, 'r')`,
      ],
      () => ({ kind: 'slipped in', id: '-5' }),
    ],
    [
      'an insert into another partition',
      () => [
        `insert into audit.log (id, at, transaction_id, table_name, operation, row_count, role) overriding system value
         select 999999, ${nextMonth()}, transaction_id, 'x', 'insert', 1, 'r' from audit.log where id = ${ids[2]}`,
      ],
      () => ({ kind: 'slipped in', id: '999999' }),
    ],
    [
      'two rows that change places',
      () => [
        `update audit.log r set new_values = o.new_values, key = o.key from audit.log o
           where r.id in (${ids[0]}, ${ids[11]}) and o.id in (${ids[0]}, ${ids[11]}) and o.id <> r.id`,
      ],
      () => ({ kind: 'altered', id: ids[0]! }),
    ],
    [
      'two rows that change ids',
      () => [
        'alter table audit.log alter column id drop identity',
        `update audit.log set id = -id where id in (${ids[0]}, ${ids[11]})`,
        `update audit.log set id = case -id when ${ids[0]} then ${ids[11]}::bigint else ${ids[0]} end where id in (-${ids[0]}, -${ids[11]})`,
      ],
      () => ({ kind: 'slipped in', id: ids[11]! }),
    ],
    [
      'a row that gets a later transaction',
      () => [`update audit.log set transaction_id = '999999999' where id = ${ids[4]}`],
      () => ({ kind: 'removed', id: ids[4]! }),
    ],
    [
      'a partition that was truncated',
      () => [`truncate audit.log_p${monthOf(0)}`],
      () => ({ kind: 'removed', id: firstOfMonth, partition: `audit.log_p${monthOf(0)}` }),
    ],
    [
      'a partition that was dropped',
      () => [`drop table audit.log_p${monthOf(1)}`],
      () => ({ kind: 'removed', id: later[0]!, partition: null }),
    ],
    [
      'a partition that was detached',
      () => [`alter table audit.log detach partition audit.log_p${monthOf(1)}`],
      () => ({ kind: 'removed', id: later[0]!, partition: null }),
    ],
    [
      'a partition that was replaced by one with a row less',
      () => [
        `create table audit.other (like audit.log_p${monthOf(1)} including all excluding identity)`,
        `insert into audit.other select * from audit.log_p${monthOf(1)} where id <> ${later[1]}`,
        `drop table audit.log_p${monthOf(1)}`,
        `alter table audit.log attach partition audit.other for values from ('${startOf(1)}') to ('${startOf(2)}')`,
      ],
      () => ({ kind: 'removed', id: later[1]!, partition: 'audit.other' }),
    ],
    [
      'a link that was changed',
      () => [
        'update audit.seals set row_count = row_count where number = 1',
        `update audit.seals set version = 'x' where number = 3`,
      ],
      () => ({ kind: 'chain' }),
    ],
    [
      'a link that was removed',
      () => ['delete from audit.seals where number = 2'],
      () => ({ kind: 'chain' }),
    ],
    [
      'parts that were removed',
      () => ['delete from audit.seal_parts where number = 2'],
      () => ({ kind: 'chain' }),
    ],
    [
      'a list of rows that was changed',
      () => ['update audit.seal_parts set ids = array_reverse_of(ids) where number = 2'],
      () => ({ kind: 'chain' }),
    ],
    ['a chain that was emptied', () => ['truncate audit.seals, audit.seal_parts'], () => ({ kind: 'empty' })],
    [
      'a log and a chain that were emptied',
      () => ['truncate audit.log', 'truncate audit.seals, audit.seal_parts'],
      () => ({ kind: 'empty' }),
    ],
  ];

  test.each(cases)('names %s', async (what, statements, found) => {
    const texts = statements().map((text) =>
      text.replace(
        'array_reverse_of(ids)',
        'array(select i from unnest(ids) with ordinality u(i, n) order by n desc)',
      ),
    );
    const { verdict, inSql, affected } = await tamper(texts);
    const { kind, ...row } = found();
    // What removes a whole table counts no rows.
    expect(affected > 0 || /truncated|dropped|detached|emptied/.test(what)).toBe(true);
    expect(verdict.tampering).toMatchObject({ kind, ...(row.id === undefined ? {} : { row }) });
    expect(inSql).toMatchObject({
      ok: false,
      problem: { kind, ...(row.id === undefined ? {} : { id: Number(row.id) }) },
    });
    expect(await verify()).toMatchObject({ tampering: null });
  });

  test('a chain that was written anew from the middle is found with an anchor from outside, and only so', async () => {
    const statements = [
      `update audit.log set subject = 'somebody else' where id = ${ids[11]}`,
      rewrite.replace('LINK', '3'),
    ];
    expect((await tamper(statements)).verdict).toMatchObject({ tampering: null });
    const { rows } = await admin.query<Anchor>(
      `select number::integer, encode(hash, 'hex') as hash from audit.seals where number in (2, 6)`,
    );
    const { verdict, inSql } = await tamper(statements, [anchor, ...rows]);
    expect(verdict.tampering).toMatchObject({
      kind: 'anchor',
      seal: 6,
      message: expect.stringContaining('still agrees with the anchor of link 2'),
    });
    expect(inSql).toMatchObject({ ok: false, problem: { kind: 'anchor', seal: anchor.number } });
  });

  test('a chain that was cut short is found with an anchor from outside', async () => {
    const statements = [
      `delete from audit.log r using audit.seals s where s.number = 4 and (r.transaction_id, r.id) > (s.to_transaction_id, s.to_id)`,
      'delete from audit.seals where number > 4',
      'delete from audit.seal_parts where number > 4',
    ];
    expect((await tamper(statements)).verdict).toMatchObject({ seals: 4, tampering: null });
    const { verdict, inSql } = await tamper(statements, [anchor]);
    expect(verdict.tampering).toMatchObject({ kind: 'anchor', seal: anchor.number });
    expect(inSql).toMatchObject({ ok: false, problem: { kind: 'anchor' } });
  });

  test('a view in the place of the log is refused', async () => {
    await expect(
      tamper(['alter table audit.log rename to log2', 'create view audit.log as select * from audit.log2']),
    ).rejects.toThrow('something else stands in its place');
  });

  test('functions of the database that were replaced change nothing', async () => {
    const { verdict } = await tamper([
      `create or replace function audit.verify(anchor jsonb default null) returns jsonb language sql as $$ select '{"ok": true}'::jsonb $$`,
      `create or replace function audit.found_parts(s audit.seals) returns table (month timestamptz, sealed_rows bigint, found_rows bigint, same_rows boolean, sound boolean)
         language sql as $$ select null::timestamptz, 0::bigint, 0::bigint, true, true where false $$`,
      `delete from audit.log where id = ${ids[20]}`,
    ]);
    expect(verdict.tampering).toMatchObject({ kind: 'removed', row: { id: ids[20] } });
  });

  test('a column that is added later leaves earlier digests as they were, unless it is filled in', async () => {
    expect((await tamper(['alter table audit.log add column reason text'])).verdict).toMatchObject({
      tampering: null,
    });
    const { verdict } = await tamper([
      'alter table audit.log add column reason text',
      `update audit.log set reason = 'x' where id = ${ids[8]}`,
    ]);
    expect(verdict.tampering).toMatchObject({ kind: 'altered', row: { id: ids[8] } });
  });
});

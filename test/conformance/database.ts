import { Readable } from 'node:stream';
import { DatabaseError } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import type { PoolOptions } from '../../src/db/pool.ts';
import { sql } from '../../src/db/statement.ts';

/**
 * A database that is tested against the contract: empty except for the roles (prefix `lightning`), with a login that
 * may switch to them and create tables.
 */
export interface ConformanceTarget {
  /** Opens a Database with its own pool. The suite closes it. */
  open(options: Partial<PoolOptions>): Database;
  close(): Promise<void>;
}

/** The contract of every Database, whichever Postgres is behind it. */
export function describeDatabase(name: string, make: () => Promise<ConformanceTarget>): void {
  describe(`${name}, as a Database`, () => {
    let target: ConformanceTarget;
    /** A pool of one connection, so that a statement meets whatever the one before left behind. */
    let one: Database;
    let many: Database;

    beforeAll(async () => {
      target = await make();
      one = target.open({ size: 1, overflow: 0 });
      many = target.open({ size: 5, overflow: 10 });
      await one.query(
        sql`create table public.items (owner name default current_user, id int primary key, data jsonb)`,
      );
      await one.query(sql`grant select, insert on public.items to lightning_member, lightning_service`);
      await one.query(sql`alter table public.items enable row level security`);
      await one.query(
        sql`create policy own on public.items to lightning_member, lightning_service using (owner = current_user)`,
      );
    });
    beforeEach(async () => {
      await one.query(sql`delete from public.items`);
    });
    afterAll(async () => {
      await one?.close();
      await many?.close();
      await target?.close();
    });

    const as = (role: string) => ({ role: `lightning_${role}`, 'app.tenant_id': role });
    const who = (prepare = false) => ({
      text: `select current_user as role, current_setting('app.tenant_id', true) as tenant`,
      prepare,
    });

    describe('a statement', () => {
      test('gives rows as objects or arrays, and the count that its command reports', async () => {
        const statement = sql`select ${1}::int as a, ${'x'}::text as b, ${null}::text as c`;
        expect(await one.query(statement)).toEqual({ rows: [{ a: 1, b: 'x', c: null }], rowCount: 1 });
        expect((await one.query({ ...statement, arrayMode: true })).rows).toEqual([[1, 'x', null]]);
        expect(await one.query(sql`insert into items (id) select generate_series(1, 3)`)).toEqual({
          rows: [],
          rowCount: 3,
        });
        expect((await one.query(sql`set local work_mem to '4MB'`)).rowCount).toBeNull();
        expect(await one.query({ text: '' })).toEqual({ rows: [], rowCount: null });
      });

      test('sends and returns every kind of value', async () => {
        const bytes = Buffer.from([0, 255, 10]);
        const moment = new Date('2026-01-02T03:04:05.678Z');
        const { rows } = await one.query(
          sql`select ${{ a: [1, 'ü'] }}::jsonb as json, ${[1, 2]}::int[] as list, ${bytes}::bytea as bytes,
            ${moment}::timestamptz as moment, ${true}::boolean as flag, ${'9007199254740993'}::bigint as big`,
        );
        expect(rows).toEqual([
          { json: { a: [1, 'ü'] }, list: [1, 2], bytes, moment, flag: true, big: '9007199254740993' },
        ]);
      });

      test('of a megabyte each way arrives whole', async () => {
        const text = 'ä'.repeat(500_000);
        expect((await one.query(sql`select ${text}::text as text`)).rows).toEqual([{ text }]);
      });

      test('has its settings, and the next one on the same connection does not', async () => {
        const none = await one.query<{ role: string; tenant: string | null }>(who());
        for (const prepare of [false, true]) {
          expect((await one.queryWith(as('member'), who(prepare))).rows).toEqual([
            { role: 'lightning_member', tenant: 'member' },
          ]);
          const next = await one.query<{ role: string; tenant: string | null }>(who(prepare));
          expect(next.rows[0]?.role).toBe(none.rows[0]?.role);
          // A setting that was once local is empty afterwards, not unset.
          expect(next.rows[0]?.tenant ?? '').toBe('');
        }
      });

      test("that fails rejects with Postgres's error, changes nothing and leaves the connection as it was", async () => {
        for (const prepare of [false, true]) {
          const failing = one.queryWith(as('member'), {
            text: 'insert into items (id) select 1 / (3 - n) from generate_series(1, 3) n',
            prepare,
          });
          await expect(failing).rejects.toBeInstanceOf(DatabaseError);
          await expect(failing).rejects.toMatchObject({ code: expect.stringMatching(/^(22012|23505)$/) });
          expect((await one.query(sql`select * from items`)).rows).toEqual([]);
          expect((await one.query<{ role: string }>(who(prepare))).rows[0]?.role).not.toBe(
            'lightning_member',
          );
        }
        await expect(one.query(sql`select nonsense`)).rejects.toMatchObject({ code: '42703' });
        await expect(one.query(sql`selekt`)).rejects.toMatchObject({ code: '42601' });
        expect((await one.query(sql`select 1 as one`)).rows).toEqual([{ one: 1 }]);
      });

      test('does not run when its settings are refused', async () => {
        await expect(
          one.queryWith({ role: 'nobody_of_this_name' }, sql`insert into items (id) values (1)`),
        ).rejects.toMatchObject({ code: expect.stringMatching(/^(22023|42704)$/) });
        expect((await one.query(sql`select * from items`)).rows).toEqual([]);
      });

      test('with a value that cannot be sent rejects before anything is sent', async () => {
        const circular: Record<string, unknown> = {};
        circular['self'] = circular;
        await expect(one.queryWith(as('member'), sql`select ${circular}::jsonb`)).rejects.toThrow(
          /circular/i,
        );
        await expect(
          one.query(
            sql`select ${{
              toPostgres: () => {
                throw new Error('will not');
              },
            }}::text`,
          ),
        ).rejects.toThrow('will not');
        expect((await one.query(sql`select 1 as one`)).rows).toEqual([{ one: 1 }]);
      });

      test('is refused when it is a COPY, instead of waiting for ever', async () => {
        await expect(one.query(sql`copy items from stdin`)).rejects.toThrow(/copy/i);
        expect((await one.query(sql`select 1 as one`)).rows).toEqual([{ one: 1 }]);
      });
    });

    describe('a prepared statement', () => {
      test('of two roles on one connection returns each its own rows', async () => {
        const insert = { text: 'insert into items (id) values ($1)', prepare: true };
        const select = { text: 'select id from items', prepare: true };
        for (let n = 0; n < 10; n++) {
          await one.queryWith(as('member'), { ...insert, values: [2 * n] });
          await one.queryWith(as('service'), { ...insert, values: [2 * n + 1] });
        }
        for (let round = 0; round < 8; round++) {
          const member = await one.queryWith<{ id: number }>(as('member'), select);
          const service = await one.queryWith<{ id: number }>(as('service'), select);
          expect(member.rows).toHaveLength(10);
          expect(member.rows.filter((row) => row.id % 2 === 1)).toEqual([]);
          expect(service.rows).toHaveLength(10);
          expect(service.rows.filter((row) => row.id % 2 === 0)).toEqual([]);
        }
      });

      test('is prepared again automatically when its table has changed', async () => {
        const select = { text: 'select * from changing', prepare: true };
        await one.query(sql`create table public.changing as select 1 as a`);
        await one.query(sql`grant select on public.changing to lightning_member`);
        for (let round = 0; round < 7; round++) await one.queryWith(as('member'), select);
        await one.query(sql`alter table changing add column b int default 2`);
        expect((await one.queryWith(as('member'), select)).rows).toEqual([{ a: 1, b: 2 }]);
        await one.query(sql`alter table changing rename column b to c`);
        expect((await one.queryWith(as('member'), select)).rows).toEqual([{ a: 1, c: 2 }]);
        await one.query(sql`drop table changing`);
      });

      test('may be one of more statements than a connection keeps', async () => {
        for (let round = 0; round < 2; round++) {
          for (let n = 0; n < 300; n++) {
            const { rows } = await one.queryWith(as('member'), { text: `select ${n} as n`, prepare: true });
            expect(rows).toEqual([{ n }]);
          }
        }
      });

      test('makes room even when the settings before it are refused', async () => {
        const text = (n: number) => `select ${n} as kept`;
        for (let n = 0; n < 260; n++) await one.query({ text: text(n), prepare: true });
        for (let n = 1000; n < 1020; n++) {
          await expect(
            one.queryWith({ role: 'nobody_of_this_name' }, { text: text(n), prepare: true }),
          ).rejects.toBeInstanceOf(DatabaseError);
        }
        for (let n = 0; n < 260; n++)
          expect((await one.query({ text: text(n), prepare: true })).rows).toEqual([{ kept: n }]);
      });
    });

    describe('a batch', () => {
      const insert = (id: number, prepare = false) => ({
        text: 'insert into items (id) values ($1)',
        values: [id],
        prepare,
      });

      test('gives a result for each statement, all under the settings, which it does not leave behind', async () => {
        for (const prepare of [false, true, true]) {
          const results = await one.batch(as('member'), [
            { ...who(prepare), arrayMode: true },
            { text: 'insert into items (id) select 1 where false', prepare },
            { text: '' },
            { text: 'select $1::int as n, $2::text as t', values: [7, 'x'], prepare },
          ]);
          expect(results).toEqual([
            { rows: [['lightning_member', 'member']], rowCount: 1 },
            { rows: [], rowCount: 0 },
            { rows: [], rowCount: null },
            { rows: [{ n: 7, t: 'x' }], rowCount: 1 },
          ]);
          const next = await one.query<{ role: string; tenant: string | null }>(who(prepare));
          expect(next.rows[0]?.role).not.toBe('lightning_member');
          expect(next.rows[0]?.tenant ?? '').toBe('');
        }
        expect(await one.batch(as('member'), [])).toEqual([]);
      });

      test('runs its statements in order, in one transaction', async () => {
        const [, seen] = await one.batch(as('member'), [
          insert(1),
          { text: 'select id, xmin = pg_current_xact_id()::xid as mine from items' },
        ]);
        expect(seen?.rows).toEqual([{ id: 1, mine: true }]);
      });

      test('may have the same prepared statement twice', async () => {
        await one.batch(as('member'), [insert(1, true), insert(2, true)]);
        expect((await one.query(sql`select id from items order by id`)).rows).toEqual([{ id: 1 }, { id: 2 }]);
      });

      test('does nothing when one of its statements fails, with and without a mode', async () => {
        for (const mode of [undefined, { isolationLevel: null, end: 'commit' }] as const) {
          for (const prepare of [false, true]) {
            await expect(
              one.batch(as('member'), [insert(1, prepare), insert(1, prepare), insert(2, prepare)], mode),
            ).rejects.toMatchObject({ code: '23505' });
            expect((await one.query(sql`select * from items`)).rows).toEqual([]);
            expect((await one.query<{ role: string }>(who(prepare))).rows[0]?.role).not.toBe(
              'lightning_member',
            );
          }
        }
      });

      test('can be made read-only by a setting', async () => {
        const readOnly = { ...as('member'), transaction_read_only: 'on' };
        await expect(one.batch(readOnly, [insert(1)])).rejects.toMatchObject({ code: '25006' });
        const [seen] = await one.batch(readOnly, [{ text: 'select count(*)::int as n from items' }]);
        expect(seen?.rows).toEqual([{ n: 0 }]);
        await one.batch(as('member'), [insert(1)]);
      });

      test('with a mode has its isolation level, and commits or rolls back', async () => {
        const level = { text: `select current_setting('transaction_isolation') as level`, prepare: true };
        for (const isolationLevel of ['serializable', 'repeatable read', null] as const) {
          const [seen] = await one.batch(as('member'), [level], { isolationLevel, end: 'commit' });
          expect(seen?.rows).toEqual([{ level: isolationLevel ?? 'read committed' }]);
        }
        const back = { isolationLevel: null, end: 'rollback' } as const;
        const results = await one.batch(
          as('member'),
          [insert(1, true), { text: 'select id from items' }],
          back,
        );
        expect(results.map((result) => result.rows)).toEqual([[], [{ id: 1 }]]);
        expect((await one.query(sql`select * from items`)).rows).toEqual([]);
        await one.batch(as('member'), [insert(1, true)], { isolationLevel: null, end: 'commit' });
        expect((await one.query(sql`select id from items`)).rows).toEqual([{ id: 1 }]);
      });

      test('checks deferred constraints at its end, rolled back or not', async () => {
        await one.query(
          sql`create table public.once (id int constraint once_id unique deferrable initially deferred)`,
        );
        const twice = { text: 'insert into once values (1), (1)' };
        for (const end of ['commit', 'rollback'] as const) {
          await expect(one.batch({}, [twice], { isolationLevel: null, end })).rejects.toMatchObject({
            code: '23505',
            constraint: 'once_id',
          });
        }
        await expect(one.batch({}, [twice])).rejects.toMatchObject({ code: '23505' });
        expect((await one.query(sql`select * from once`)).rows).toEqual([]);
        await one.query(sql`drop table once`);
      });

      test('runs again when prepared statements are stale, and takes effect only once', async () => {
        await one.query(sql`create table public.changing as select 1 as a`);
        await one.query(sql`create table public.changing_too as select 1 as a`);
        await one.query(sql`grant select on public.changing, public.changing_too to lightning_member`);
        const statements = [
          insert(1, true),
          { text: 'select * from changing', prepare: true },
          { text: 'select * from changing_too', prepare: true },
        ];
        for (const mode of [undefined, { isolationLevel: null, end: 'commit' }] as const) {
          await one.query(sql`delete from items`);
          await one.batch(as('member'), statements, mode);
          await one.query(sql`alter table changing add column b int default 2`);
          await one.query(sql`alter table changing_too add column b int default 3`);
          await one.query(sql`delete from items`);
          const results = await one.batch(as('member'), statements, mode);
          expect(results.slice(1).map((result) => result.rows)).toEqual([[{ a: 1, b: 2 }], [{ a: 1, b: 3 }]]);
          expect((await one.query(sql`select id from items`)).rows).toEqual([{ id: 1 }]);
          await one.query(sql`alter table changing drop column b`);
          await one.query(sql`alter table changing_too drop column b`);
        }
        await one.query(sql`drop table changing, changing_too`);
      });

      test('leaves nothing on its connection when the pool keeps no prepared statements', async () => {
        const plain = target.open({ size: 1, overflow: 0, preparedStatements: false });
        try {
          // The embedded database has one list of statements for all of its connections.
          const kept = [];
          for (const id of [1, 2, 3]) {
            const count = { text: 'select count(*)::int from pg_prepared_statements', prepare: true };
            const mode = { isolationLevel: null, end: 'rollback' } as const;
            kept.push((await plain.batch(as('member'), [insert(id, true), count], mode))[1]?.rows);
          }
          expect(kept).toEqual([kept[0], kept[0], kept[0]]);
        } finally {
          await plain.close();
        }
      });

      test('fails with a COPY before other statements, and the pool continues', async () => {
        await expect(
          one.batch({}, [{ text: 'copy items (id) from stdin' }, { text: 'select 1 as one' }]),
        ).rejects.toThrow(/terminated|copy/i);
        expect((await one.query(sql`select 1 as one`)).rows).toEqual([{ one: 1 }]);
      });
    });

    test('keeps a hundred simultaneous statements of two roles apart', async () => {
      const results = await Promise.all(
        Array.from({ length: 100 }, async (_, n) => {
          const role = n % 2 ? 'member' : 'service';
          const { rows } = await many.queryWith<{ role: string; n: number }>(as(role), {
            text: 'select current_user as role, $1::int as n',
            values: [n],
            prepare: n % 3 > 0,
          });
          return [rows[0]?.role === `lightning_${role}`, rows[0]?.n === n];
        }),
      );
      expect(results.filter(([role, n]) => !role || !n)).toEqual([]);
      expect(many.poolState()).toMatchObject({ waiting: 0 });
    });

    describe('a transaction', () => {
      test('keeps its settings for all of its statements, and leaves none behind', async () => {
        const roles = await one.transaction(as('member'), async (t) => {
          const first = await t.query<{ role: string }>(who(true));
          await t.query(sql`insert into items (id) values (1)`);
          const second = await t.query<{ role: string }>(who(true));
          return [first.rows[0]?.role, second.rows[0]?.role];
        });
        expect(roles).toEqual(['lightning_member', 'lightning_member']);
        expect((await one.query<{ role: string }>(who(true))).rows[0]?.role).not.toBe('lightning_member');
        expect((await one.query(sql`select owner, id from items`)).rows).toEqual([
          { owner: 'lightning_member', id: 1 },
        ]);
      });

      test('is rolled back when its work throws, and rejects with that error', async () => {
        const reason = new Error('changed my mind');
        await expect(
          one.transaction({}, async (t) => {
            await t.query(sql`insert into items (id) values (1)`);
            throw reason;
          }),
        ).rejects.toBe(reason);
        await expect(
          one.transaction({}, async (t) => {
            await t.query(sql`insert into items (id) values (1)`);
            await t.query(sql`select 1 / 0`);
          }),
        ).rejects.toMatchObject({ code: '22012' });
        expect((await one.query(sql`select * from items`)).rows).toEqual([]);
      });

      test('survives the failure of a savepoint in it, even of nested ones', async () => {
        await one.transaction(as('member'), async (t) => {
          await t.query(sql`insert into items (id) values (1)`);
          await expect(
            t.savepoint(async (outer) => {
              await outer.query(sql`insert into items (id) values (2)`);
              await expect(
                outer.savepoint((inner) => inner.query(sql`insert into items (id) values (1)`)),
              ).rejects.toMatchObject({ code: '23505' });
              await outer.savepoint((inner) => inner.query(sql`insert into items (id) values (3)`));
              throw new Error('undo outer');
            }),
          ).rejects.toThrow('undo outer');
          expect(await t.savepoint(async (s) => (await s.query<{ role: string }>(who())).rows[0]?.role)).toBe(
            'lightning_member',
          );
          await t.query(sql`insert into items (id) values (4)`);
        });
        expect((await one.query(sql`select id from items order by id`)).rows).toEqual([{ id: 1 }, { id: 4 }]);
      });

      test('loads data by COPY', async () => {
        const load = (lines: string[]) =>
          one.transaction({}, (t) => t.copyFrom('copy items (id) from stdin', Readable.from(lines)));
        expect(await load(['1\n2\n', '3\n'])).toBe(3);
        await expect(load(['4\n', 'five\n'])).rejects.toMatchObject({ code: '22P02' });
        expect((await one.query(sql`select id from items order by id`)).rows).toEqual([
          { id: 1 },
          { id: 2 },
          { id: 3 },
        ]);
      });
    });

    describe('notifications', () => {
      test('reach a listener of their channel, once committed, until it stops', async () => {
        const got: string[] = [];
        const others: string[] = [];
        const stop = await many.listen('con "quoted" formance', (payload) => got.push(payload));
        const stopOther = await many.listen('another', (payload) => others.push(payload));
        // The statement, which nobody needs a right for.
        const notify = (payload: string) => ({
          text: `notify "con ""quoted"" formance", '${payload}'`,
          values: [],
        });
        await one.query(notify('1'));
        await one
          .transaction({}, async (t) => {
            await t.query(notify('rolled back'));
            throw new Error('undo');
          })
          .catch(() => {});
        await one.queryWith(as('member'), notify('2'));
        await expect.poll(() => got).toEqual(['1', '2']);
        await stop();
        await one.query(notify('3'));
        await one.query(sql`notify another, 'last'`);
        await expect.poll(() => others).toEqual(['last']);
        expect(got).toEqual(['1', '2']);
        await stopOther();
      });

      test('reach two listeners of one channel, and the one that stays when the other leaves', async () => {
        const [first, second]: [string[], string[]] = [[], []];
        const stopFirst = await many.listen('shared', (payload) => first.push(payload));
        const stopSecond = await many.listen('shared', (payload) => second.push(payload));
        await one.query(sql`notify shared, 'both'`);
        await expect.poll(() => [first, second]).toEqual([['both'], ['both']]);
        await stopFirst();
        await one.query(sql`notify shared, 'one'`);
        await expect.poll(() => second).toEqual(['both', 'one']);
        expect(first).toEqual(['both']);
        await stopSecond();
      });
    });

    test('closing waits for running statements, and refuses new ones', async () => {
      const closing = target.open({ size: 2, overflow: 0 });
      const running = closing.query(sql`select pg_sleep(0.2), 'done' as said`);
      await closing.query(sql`select 1`);
      const closed = closing.close();
      expect((await running).rows).toMatchObject([{ said: 'done' }]);
      await closed;
      await expect(closing.query(sql`select 1`)).rejects.toThrow(/pool|closed/);
      await expect(closing.listen('x', () => {})).rejects.toThrow(/closed/);
    });
  });
}

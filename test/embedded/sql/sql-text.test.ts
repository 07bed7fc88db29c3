import { describe, expect, test } from 'vitest';
import { editedText, statementsOf } from '../../../src/embedded/sql/sql-text.ts';
import type { Effect } from '../../../src/embedded/sql/sql-text.ts';

const effectsOf = (sql: string): Effect[] => statementsOf(sql).flatMap((statement) => statement.effects);
const literal = (value: string) => ({ kind: 'literal', value });
const parameter = (number: number) => ({ kind: 'parameter', number });

describe('the number of statements in a text', () => {
  test.each([
    ['select 1', 1],
    ['select 1;', 1],
    ['', 0],
    [' ; ;; -- nothing\n /* nothing; /* nested; */ */ ;', 0],
    ['select 1; select 2', 2],
    ["select ';'; select e'\\';'; select \";\"", 3],
    ["select 'it''s; one'", 1],
    ["select $$;$$; select $a$ ;$$; $a$; select 'x'", 3],
    ['select 1 -- ; no\n; select 2', 2],
    ['select /* ; */ 1', 1],
    ['create rule r as on insert to t do also (select 1; select 2); select 3', 2],
    [
      'create function f() returns int begin atomic select 1; select case when true then 1 end; end; select 2',
      2,
    ],
    ["prepare x as select $1; select a$b$c; select 'unfinished ; ", 3],
  ])('%s', (sql, count) => {
    expect(statementsOf(sql)).toHaveLength(count);
  });
});

describe('settings', () => {
  const set = (name: string, value: string | undefined, local = false) => ({
    kind: 'set',
    name,
    value,
    local,
  });

  test.each([
    ["set application_name = 'x'", set('application_name', 'x')],
    ['SET SESSION Work_Mem TO 64', set('work_mem', '64')],
    ["set local statement_timeout = '5s'", set('statement_timeout', '5s', true)],
    ['set role lightning_member', set('role', 'lightning_member')],
    ["set local role 'x'", set('role', 'x', true)],
    ["set session authorization 'x'", set('session_authorization', 'x')],
    ['set session session authorization x', set('session_authorization', 'x')],
    ["set time zone 'Europe/Berlin'", set('timezone', 'Europe/Berlin')],
    ["set schema 'a'", set('search_path', 'a')],
    ["set names 'utf8'", set('client_encoding', 'utf8')],
    ['set search_path = a, b', set('search_path', undefined)],
    ['set "app"."tenant_id" = 5', set('app.tenant_id', '5')],
    ['set app.x to -1', set('app.x', undefined)],
    [
      'set session characteristics as transaction isolation level serializable',
      set('session characteristics', undefined),
    ],
  ])('%s', (sql, effect) => {
    expect(effectsOf(sql)).toEqual([expect.objectContaining(effect)]);
  });

  test.each([
    ['reset role', { kind: 'reset', name: 'role' }],
    ['reset session authorization', { kind: 'reset', name: 'session_authorization' }],
    ['reset TIME ZONE', { kind: 'reset', name: 'timezone' }],
    ['reset app.x', { kind: 'reset', name: 'app.x' }],
    ['set role none', { kind: 'reset', name: 'role' }],
    ['set work_mem to default', { kind: 'reset', name: 'work_mem' }],
    ['reset all', { kind: 'reset-all' }],
    ['discard all', { kind: 'discard-all' }],
  ])('%s', (sql, effect) => {
    expect(effectsOf(sql)).toEqual([effect]);
  });

  test.each([
    'set transaction isolation level serializable',
    'set constraints all deferred',
    'discard plans',
    'select set from t',
    "update t set role = 'x'",
  ])('%s does not change a setting of the session', (sql) => {
    expect(effectsOf(sql)).toEqual([]);
  });

  test('a setting is restored by the statement that made it', () => {
    expect(effectsOf("begin; set a.b = 'x' ; commit")[0]).toMatchObject({ sql: "set a.b = 'x'" });
  });
});

describe('set_config', () => {
  test.each([
    "select set_config('role', $1, true)",
    "select pg_catalog.set_config('a', 'b', true), set_config('c', 'd', 't'::bool)",
    "insert into t values (set_config('a', $1, true))",
  ])('%s leaves nothing', (sql) => {
    expect(effectsOf(sql)).toEqual([]);
  });

  test.each([
    [
      "select set_config('a.b', 'x', false)",
      { name: literal('a.b'), value: literal('x'), local: literal('false'), certain: true },
    ],
    [
      'select pg_catalog.set_config($1, $2, false) as x, set_config($3, $4::text, $5)',
      { name: parameter(1), value: parameter(2), local: literal('false'), certain: true },
      { name: parameter(3), value: parameter(4), local: parameter(5), certain: true },
    ],
    [
      'select set_config($1, $2, true)',
      { name: parameter(1), value: parameter(2), local: literal('true'), certain: true },
    ],
    [
      "select set_config('a', 'b', false) where false",
      { name: literal('a'), value: literal('b'), local: literal('false'), certain: false },
    ],
    [
      "select set_config('a', lower('B'), false)",
      { name: literal('a'), value: { kind: 'computed' }, local: literal('false'), certain: true },
    ],
    [
      "select set_config('a', e'b\\n', false)",
      { name: literal('a'), value: { kind: 'computed' }, local: literal('false'), certain: true },
    ],
    [
      "select set_config('statement_timeout', '0', true)",
      { name: literal('statement_timeout'), value: literal('0'), local: literal('true'), certain: true },
    ],
  ])('%s', (sql, ...calls) => {
    expect(effectsOf(sql)).toEqual(calls.map((call) => Object.assign({ kind: 'set-config' }, call)));
  });

  test('settings whose arguments cannot be told apart count as lost', () => {
    expect(effectsOf('select set_config(x => 1)')).toEqual([{ kind: 'residue', residue: 'settings' }]);
  });
});

describe('a statement that cannot be replayed leaves a residue', () => {
  test.each([
    ['create temp table t (a int)', 'temporary tables'],
    ['create local temporary view v as select 1', 'temporary tables'],
    ['create or replace temp view v as select 1', 'temporary tables'],
    ['select 1 as a into temp t', 'temporary tables'],
    ['create table pg_temp.t (a int)', 'temporary tables'],
    ['declare c cursor with hold for select 1', 'open cursors'],
    ['select pg_advisory_lock(1)', 'advisory locks'],
    ['select pg_try_advisory_lock(1)', 'advisory locks'],
    ['do $$ begin end $$', 'effects of a procedure'],
    ['call p()', 'effects of a procedure'],
  ])('%s', (sql, residue) => {
    expect(effectsOf(sql)).toEqual([{ kind: 'residue', residue }]);
  });

  test.each([
    'create temp table t on commit drop as select 1',
    'create table t (temp int)',
    'select temp, hold from readings',
    'declare c cursor for select 1',
    'select pg_advisory_xact_lock(1)',
    "select 'create temp table; set_config'",
  ])('%s leaves none', (sql) => {
    expect(effectsOf(sql)).toEqual([]);
  });
});

describe('transactions and channels', () => {
  test.each([
    ['commit and chain', { kind: 'commit' }],
    ['end', { kind: 'commit' }],
    ['abort', { kind: 'rollback' }],
    ['rollback work', { kind: 'rollback' }],
    ['rollback to a', { kind: 'rollback-to', name: 'a' }],
    ['rollback transaction to savepoint "A b"', { kind: 'rollback-to', name: 'A b' }],
    ['savepoint Abc', { kind: 'savepoint', name: 'abc' }],
    ['release savepoint a', { kind: 'release', name: 'a' }],
    ['listen "Job:x"', { kind: 'listen', channel: 'Job:x' }],
    ['LISTEN Jobs', { kind: 'listen', channel: 'jobs' }],
    ['unlisten jobs', { kind: 'unlisten', channel: 'jobs' }],
    ['unlisten *', { kind: 'unlisten-all' }],
    ['prepare x as select 1', { kind: 'prepare', name: 'x' }],
    ['deallocate prepare x', { kind: 'deallocate', name: 'x' }],
    ['deallocate all', { kind: 'deallocate-all' }],
  ])('%s', (sql, effect) => {
    expect(effectsOf(sql)).toEqual([effect]);
  });

  test.each(["commit prepared 'x'", "rollback prepared 'x'", "prepare transaction 'x'", 'begin', 'notify x'])(
    '%s is nothing to remember',
    (sql) => {
      expect(effectsOf(sql)).toEqual([]);
    },
  );

  test('several statements in one text keep their order', () => {
    expect(effectsOf('listen "a"; listen b; select 1;').map((effect) => effect.kind)).toEqual([
      'listen',
      'listen',
    ]);
  });
});

describe('the text that the engine gets instead', () => {
  const edited = (sql: string) => editedText(sql, statementsOf(sql), (name) => `c1_${name}`);

  test.each([
    ['select 1', 'select 1'],
    ['prepare x as select 1; execute x(1)', 'prepare "c1_x" as select 1; execute "c1_x"(1)'],
    ['deallocate X', 'deallocate "c1_x"'],
    ['explain (analyze) execute x', 'explain (analyze) execute "c1_x"'],
    ['create table t as execute x', 'create table t as execute "c1_x"'],
    [
      'create trigger t after insert on a execute function f()',
      'create trigger t after insert on a execute function f()',
    ],
    ['unlisten *', 'unlisten pglite_nothing'],
    ['unlisten a; select 1', 'unlisten pglite_nothing; select 1'],
    ['discard all', 'discard temp'],
    ['deallocate all', 'discard plans'],
    ["set client_encoding = 'UTF8'", "set client_encoding = 'UTF8'"],
    [
      "set client_encoding to 'LATIN1'",
      "set client_encoding to 'LATIN1 (the embedded database speaks UTF8 only)'",
    ],
    ['set names latin1', "set names 'latin1 (the embedded database speaks UTF8 only)'"],
  ])('%s', (sql, expected) => {
    expect(edited(sql)).toBe(expected);
  });
});

test('a COPY is recognised as one that needs its client', () => {
  const copies = (sql: string) => statementsOf(sql).map((statement) => statement.copies);
  expect(copies('copy t from stdin')).toEqual([true]);
  expect(copies('/* copy */ select copy from t')).toEqual([false]);
});

test('a text of 20 MB is read in a fraction of a second', () => {
  const sql = `insert into t values ${'(1, \'text\', "x"), '.repeat(1_200_000)}(1)`;
  const before = process.threadCpuUsage();
  expect(statementsOf(sql)).toHaveLength(1);
  // Counts what this thread computed, because other processes may be using the machine.
  expect(process.threadCpuUsage(before).user / 1000).toBeLessThan(1000);
});

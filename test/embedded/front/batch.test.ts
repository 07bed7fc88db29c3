import { describe, expect, test } from 'vitest';
import { batchOf } from '../../../src/embedded/front/batch.ts';
import type { Batch } from '../../../src/embedded/front/batch.ts';
import { PreparedStatements } from '../../../src/embedded/front/client-statements.ts';
import { statementsOf } from '../../../src/embedded/sql/sql-text.ts';
import { FrameReader, message, query, sync } from '../../../src/embedded/wire.ts';

const zero = Buffer.alloc(2);
const parse = (name: string, sql: string) => message('P', name, sql, zero);
const execute = (portal = '') => message('E', portal, 0);

/** A Bind message of the unnamed portal, with text parameters. */
function bind(name: string, ...values: (string | null)[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeUInt16BE(values.length);
  const fields = values.flatMap((value) =>
    value === null ? [-1] : [Buffer.byteLength(value), Buffer.from(value)],
  );
  return message('B', '', name, zero, count, ...fields, zero);
}

function batch(messages: Buffer[], prepared = new PreparedStatements('c1_')): Batch {
  const reader = new FrameReader();
  for (const bytes of messages) reader.push(bytes);
  const frames = [];
  for (let frame = reader.next(); frame; frame = reader.next()) frames.push(frame);
  return batchOf(frames, prepared, new Map(), statementsOf);
}

const sent = (result: Batch) => Buffer.concat(result.parts);
const effects = (result: Batch) => result.steps.flatMap((step) => step.effects);

describe('names of prepared statements', () => {
  test("get their client's prefix in every message, which is otherwise unchanged", () => {
    const describeStatement = message('D', Buffer.from('S'), 'x');
    const result = batch([
      parse('x', 'select $1'),
      describeStatement,
      bind('x', 'é'),
      execute(),
      message('C', Buffer.from('S'), 'x'),
      sync,
    ]);
    expect(sent(result)).toEqual(
      Buffer.concat([
        parse('c1_x', 'select $1'),
        message('D', Buffer.from('S'), 'c1_x'),
        bind('c1_x', 'é'),
        execute(),
        message('C', Buffer.from('S'), 'c1_x'),
        sync,
      ]),
    );
    expect(result.steps.map((step) => step.ack).join('')).toBe('1C3');
    expect(result).toMatchObject({ open: false, alone: false, unnamed: 'untouched', needsUnnamed: false });
  });

  test('the unnamed statement and portals keep their names', () => {
    const messages = [parse('', 'select 1'), bind(''), message('D', Buffer.from('P'), ''), execute(), sync];
    const result = batch(messages);
    expect(sent(result)).toEqual(Buffer.concat(messages));
    expect(result).toMatchObject({ unnamed: 'parsed', needsUnnamed: false });
    expect(batch([bind(''), execute(), sync])).toMatchObject({ unnamed: 'untouched', needsUnnamed: true });
    expect(batch([query('select 1')])).toMatchObject({ unnamed: 'dropped' });
  });

  test('a statement that SQL prepares can be prepared again', () => {
    const result = batch([query('select 1; prepare x as select 2; execute x')]);
    expect(sent(result)).toEqual(query('select 1; prepare "c1_x" as select 2; execute "c1_x"'));
    expect(result.steps[1]?.prepares).toEqual({
      name: 'x',
      prepared: { restore: [query('prepare "c1_x" as select 2')], statements: [] },
    });
  });
});

describe('settings by set_config', () => {
  const call = 'select set_config($1, $2, $3), set_config($4, $5, true)';

  test('are known by their parameters', () => {
    const result = batch([parse('', call), bind('', 'app.x', "it's", 'false', 'role', 'r'), execute(), sync]);
    expect(effects(result)).toEqual([
      {
        kind: 'set',
        name: 'app.x',
        value: "it's",
        local: false,
        sql: "select pg_catalog.set_config(E'app.x', E'it''s', false)",
      },
    ]);
    expect(result.alone).toBe(true);
  });

  test('local ones leave a batch plain, except for the statement timeout', () => {
    expect(
      batch([parse('', call), bind('', 'a.b', 'x', 'true', 'role', 'r'), execute(), sync]),
    ).toMatchObject({
      alone: false,
      timeouts: [],
    });
    expect(
      batch([parse('', call), bind('', 'statement_timeout', '5min', 't', 'role', 'r'), execute(), sync]),
    ).toMatchObject({ timeouts: ['5min'] });
  });

  test('are lost when their arguments are unknown', () => {
    const result = batch([parse('', call), bind('', 'app.x', null, 'false', 'role', 'r'), execute(), sync]);
    expect(effects(result)).toEqual([{ kind: 'residue', residue: 'settings' }]);
  });

  test('are known when the statement was prepared earlier', () => {
    const prepared = new PreparedStatements('c1_');
    prepared.add('s', { restore: [], statements: statementsOf('select set_config($1, $2, false)') });
    expect(effects(batch([bind('s', 'a.b', 'x'), execute(), sync], prepared))).toMatchObject([
      { name: 'a.b' },
    ]);
  });
});

test.each([
  ['Sync', sync, false],
  ['Flush', message('H'), true],
  ['a function call', message('F', 1, zero, zero, zero), false],
])('%s ends a batch', (_, end, open) => {
  expect(batch([parse('', 'select 1'), end])).toMatchObject({ open, alone: open });
});

test.each(['copy t from stdin', 'set role x', 'listen a', 'commit', 'do $$ begin end $$'])(
  '%s goes to the engine alone',
  (sql) => {
    expect(batch([query(sql)]).alone).toBe(true);
    expect(batch([parse('', sql), bind(''), execute(), sync]).alone).toBe(true);
  },
);

test.each(['select 1', 'begin', 'insert into t values (1)', 'notify a'])(
  '%s goes along with others',
  (sql) => {
    expect(batch([query(sql)]).alone).toBe(false);
  },
);

import { describe, expect, test } from 'vitest';
import { SessionState, durationMs, startupSetting } from '../../../src/embedded/front/session-state.ts';
import type { SessionEffect } from '../../../src/embedded/front/session-state.ts';
import { statementsOf } from '../../../src/embedded/sql/sql-text.ts';
import type { TransactionStatus } from '../../../src/embedded/wire.ts';

/** Records a text that has run completely. */
function ran(
  session: SessionState,
  sql: string,
  status: TransactionStatus | null = 'I',
  failed = false,
  tag?: string,
) {
  const effects = statementsOf(sql).flatMap((statement) => statement.effects) as SessionEffect[];
  return session.record(
    effects.map((effect) => ({ effect, tag })),
    status,
    failed,
  );
}

describe('settings', () => {
  test.each<[string, [string, TransactionStatus?, boolean?, string?][], string[]]>([
    [
      'are replayed in the order of their last change',
      [["set a.a = '1'"], ["set a.b = '2'"], ["set a.a = '3'"]],
      ["set a.b = '2'", "set a.a = '3'"],
    ],
    ['count when their transaction commits', [['begin; set role x', 'T'], ['commit']], ['set role x']],
    ['do not count before', [['begin; set role x', 'T']], []],
    ['go with a rollback', [['begin; set role x', 'T'], ['rollback']], []],
    [
      'go with a commit that was a rollback',
      [
        ['begin; set role x', 'T'],
        ['commit', 'I', false, 'ROLLBACK'],
      ],
      [],
    ],
    ['go with an error', [['set role x', 'I', true]], []],
    [
      'go back to a savepoint',
      [['begin; set role x; savepoint s; set role y; rollback to s; commit']],
      ['set role x'],
    ],
    ['survive a released savepoint', [['begin; savepoint s; set role y; release s; commit']], ['set role y']],
    [
      'survive an error after their commit',
      [['begin; set role x; commit; set role y', 'I', true]],
      ['set role x'],
    ],
    ['local ones never count', [['begin; set local role x; commit']], []],
    ['end with reset', [['set role x; set a.a = 1; reset role']], ['set a.a = 1']],
    ['but for the role end with reset all', [['set role x; set a.a = 1; reset all']], ['set role x']],
    ['all end with discard all', [['set role x; set a.a = 1'], ['discard all']], []],
  ])('%s', (_, batches, replay) => {
    const session = new SessionState([]);
    for (const batch of batches) ran(session, ...batch);
    expect(session.replay).toEqual(replay);
    expect(session.key === '').toBe(replay.length === 0);
  });

  test('are the same session when the connection brought them in another order', () => {
    const [a, b] = [startupSetting('TimeZone', 'UTC'), startupSetting('application_name', "it's")];
    expect(new SessionState([a, b]).key).toBe(new SessionState([b, a]).key);
    expect(b.sql).toBe("select pg_catalog.set_config(E'application_name', E'it''s', false)");
  });

  test("reset returns to the connection's own settings, and the engine has to be told", () => {
    const startup = startupSetting('application_name', 'mine');
    const session = new SessionState([startup]);
    expect(ran(session, "set application_name = 'x'").reload).toBe(false);
    expect(ran(session, 'reset application_name').reload).toBe(true);
    expect(session.replay).toEqual([startup.sql]);
    expect(ran(session, 'reset all').reload).toBe(true);
    expect(ran(new SessionState([]), 'set a.a = 1; reset all').reload).toBe(false);
  });
});

test('channels follow transactions too', () => {
  const session = new SessionState([]);
  ran(session, 'listen a; begin; listen b', 'T');
  expect([...session.channels]).toEqual([]);
  ran(session, 'commit');
  expect([...session.channels]).toEqual(['a', 'b']);
  ran(session, 'begin; unlisten *; rollback; unlisten a');
  expect([...session.channels]).toEqual(['b']);
});

test('residues count when they remain, and locks always remain', () => {
  const session = new SessionState([]);
  expect(ran(session, 'begin; create temp table t (i int)', 'T').residues).toEqual([]);
  expect(ran(session, 'commit').residues).toEqual(['temporary tables']);
  expect(ran(session, 'begin; create temp table t (i int); rollback').residues).toEqual([]);
  expect(ran(session, 'begin; select pg_advisory_lock(1)', 'T').residues).toEqual(['advisory locks']);
});

describe('the statement timeout', () => {
  test('comes from the connection, from SET, or from the transaction', () => {
    const session = new SessionState([startupSetting('statement_timeout', '30000')]);
    expect(session.timeoutMs()).toBe(30_000);
    ran(session, "begin; set local statement_timeout = '5min'", 'T');
    expect(session.timeoutMs()).toBe(300_000);
    ran(session, 'commit');
    expect(session.timeoutMs()).toBe(30_000);
    ran(session, 'set statement_timeout = 0');
    expect(session.timeoutMs()).toBe(0);
    ran(session, 'reset statement_timeout');
    expect(session.timeoutMs()).toBe(30_000);
  });

  test('is the most patient value when the batch sets it itself', () => {
    const session = new SessionState([startupSetting('statement_timeout', '1s')]);
    expect(session.timeoutMs(['500'])).toBe(1000);
    expect(session.timeoutMs(['2min'])).toBe(120_000);
    expect(session.timeoutMs(['500', '0'])).toBe(0);
  });

  test.each([
    ['0', 0],
    ['1500', 1500],
    [' 1.5s ', 1500],
    ['2 min', 120_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
    ['1e3', 1000],
    ['0x10', 16],
    ['soon', 0],
    [undefined, 0],
  ])('%s is %i ms', (text, ms) => {
    expect(durationMs(text)).toBe(ms);
  });
});

import { describe, expect, test } from 'vitest';
import { fragment, toStatement, verbatim } from '../../../src/rest/sql/fragment.ts';
import { checkedCount, refusalFrom } from '../../../src/rest/sql/refusals.ts';

const count = verbatim('count(*)');
const check = (code: 'PGRST116' | 'PGRST124') => ({ violated: verbatim('count(*) <> 1'), code });

describe('a checked count', () => {
  test('is a plain count when nothing is checked', () => {
    expect(toStatement(checkedCount(count, []))).toEqual({ text: 'count(*)', values: [] });
  });

  test('casts text that is not a number for the first violated check', () => {
    const { text, values } = toStatement(
      fragment`select ${checkedCount(count, [check('PGRST116'), check('PGRST124')])}`,
    );
    expect(text).toBe(
      'select case when count(*) <> 1 then ($1::text || count(*))::bigint when count(*) <> 1 then ($2::text || count(*))::bigint else count(*) end',
    );
    expect(values).toEqual([
      expect.stringMatching(/^LTR:.+:PGRST116:$/),
      expect.stringMatching(/^LTR:.+:PGRST124:$/),
    ]);
  });
});

describe('a refusal', () => {
  const mark = String(toStatement(checkedCount(count, [check('PGRST116')])).values[0]);

  test('is read from Postgres’s message, in any language', () => {
    expect(refusalFrom(`invalid input syntax for type bigint: "${mark}12"`)).toEqual({
      code: 'PGRST116',
      rows: 12,
    });
    expect(refusalFrom(`ungültige Eingabesyntax für Typ bigint: »${mark}0«`)).toEqual({
      code: 'PGRST116',
      rows: 0,
    });
  });

  test.each([
    'invalid input syntax for type bigint: "x"',
    'invalid input syntax for type bigint: "LTR:PGRST116:12"',
    'invalid input syntax for type bigint: "LTR:AAAAAAAAAAAAAAAA:PGRST116:12"',
    '',
  ])('is not: %s', (message) => {
    expect(refusalFrom(message)).toBeNull();
  });
});

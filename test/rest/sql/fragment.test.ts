import { describe, expect, test } from 'vitest';
import {
  fragment,
  identifier,
  join,
  nothing,
  parameter,
  qualified,
  sharedParameter,
  toStatement,
  verbatim,
} from '../../../src/rest/sql/fragment.ts';

describe('a fragment', () => {
  test('keeps its values, which are numbered when the whole becomes a statement', () => {
    const condition = fragment`${identifier('a')} = ${parameter(1)}`;
    const both = join([condition, fragment`${parameter('x')} = any(${parameter(['y'])})`], ' and ');
    expect(toStatement(fragment`select ${parameter(null)} where ${both}${nothing}`)).toEqual({
      text: 'select $1 where "a" = $2 and $3 = any($4)',
      values: [null, 1, 'x', ['y']],
    });
  });

  test('numbers a value each time it occurs, unless it is shared', () => {
    const own = parameter('v');
    const path = fragment`d->${sharedParameter('k')}->${sharedParameter(0)}::int->${sharedParameter('0')}`;
    expect(toStatement(fragment`${own}, ${own}, ${path}, ${path}`)).toEqual({
      text: '$1, $2, d->$3->$4::int->$5, d->$3->$4::int->$5',
      values: ['v', 'v', 'k', '0', '0'],
    });
  });

  test('takes placeholders unchanged as values', () => {
    const placeholder = { placeholder: 3 };
    expect(toStatement(fragment`a = ${parameter(placeholder)}`).values[0]).toBe(placeholder);
  });
});

describe('a name', () => {
  test('is always quoted', () => {
    expect(toStatement(qualified({ schema: 'a"b', name: 'select; --' })).text).toBe('"a""b"."select; --"');
    expect(toStatement(qualified({ schema: '', name: 'ü' })).text).toBe('"ü"');
  });

  test('ends at a NUL, which would end the statement on the wire', () => {
    expect(toStatement(identifier('a\0"; drop table b')).text).toBe('"a"');
  });
});

test('SQL from the catalog stays unchanged', () => {
  expect(toStatement(verbatim(`nextval('s'::regclass)`))).toEqual({
    text: `nextval('s'::regclass)`,
    values: [],
  });
});

import { describe, expect, test } from 'vitest';
import type { SelectItem } from '../../../src/rest/request/query.ts';
import { refusalOf, requestOf } from './request-of.ts';

type Parts = Partial<Extract<SelectItem, { kind: 'field' }>>;

function field(name: string, parts: Parts = {}): SelectItem {
  return {
    kind: 'field',
    field: { name, jsonPath: [] },
    alias: null,
    cast: null,
    aggregate: null,
    aggregateCast: null,
    ...parts,
  };
}

function relation(
  name: string,
  select: readonly SelectItem[],
  parts: Partial<Extract<SelectItem, { kind: 'relation' }>> = {},
): SelectItem {
  return {
    kind: 'relation',
    relation: name,
    alias: null,
    hint: null,
    join: null,
    spread: false,
    select,
    ...parts,
  };
}

const all = field('*');

const cases: readonly (readonly [select: string, items: readonly SelectItem[]])[] = [
  ['', []],
  ['*', [all]],
  ['id', [field('id')]],
  ['id,name', [field('id'), field('name')]],
  ['id, name , other', [field('id'), field('name'), field('other')]],
  ['n:name', [field('name', { alias: 'n' })]],
  ['name::text', [field('name', { cast: 'text' })]],
  ['n:name::text', [field('name', { alias: 'n', cast: 'text' })]],
  ['at::timestamp with time zone', [field('at', { cast: 'timestamp with time zone' })]],
  ['"n:m":"a,b"', [field('a,b', { alias: 'n:m' })]],
  ['"say \\"hi\\" \\\\"', [field('say "hi" \\')]],
  ['first name', [field('first name')]],
  ['kebab-case-name', [field('kebab-case-name')]],
  ['موارد', [field('موارد')]],
  ['$cash_1', [field('$cash_1')]],
  ['data->a', [field('data', { field: { name: 'data', jsonPath: [{ arrow: '->', key: 'a' }] } })]],
  [
    'x:data->0->>"a.b"->-1::int',
    [
      field('data', {
        alias: 'x',
        cast: 'int',
        field: {
          name: 'data',
          jsonPath: [
            { arrow: '->', index: 0 },
            { arrow: '->>', key: 'a.b' },
            { arrow: '->', index: -1 },
          ],
        },
      }),
    ],
  ],
  [
    'data->>!@#$%^*_a',
    [field('data', { field: { name: 'data', jsonPath: [{ arrow: '->>', key: '!@#$%^*_a' }] } })],
  ],
  ['data->1a', [field('data', { field: { name: 'data', jsonPath: [{ arrow: '->', key: '1a' }] } })]],
  ['count()', [field('*', { aggregate: 'count' })]],
  ['n:count()::text', [field('*', { alias: 'n', aggregate: 'count', aggregateCast: 'text' })]],
  ['count', [field('count')]],
  ['amount.sum()', [field('amount', { aggregate: 'sum' })]],
  [
    'a:amount::int.avg()::text,b.min(),c.max(),d.count()',
    [
      field('amount', { alias: 'a', cast: 'int', aggregate: 'avg', aggregateCast: 'text' }),
      field('b', { aggregate: 'min' }),
      field('c', { aggregate: 'max' }),
      field('d', { aggregate: 'count' }),
    ],
  ],
  ['clients(*)', [relation('clients', [all])]],
  ['clients()', [relation('clients', [])]],
  ['c:clients(id,name)', [relation('clients', [field('id'), field('name')], { alias: 'c' })]],
  ['clients!fk(id)', [relation('clients', [field('id')], { hint: 'fk' })]],
  ['clients!inner(id)', [relation('clients', [field('id')], { join: 'inner' })]],
  ['clients!left(id)', [relation('clients', [field('id')], { join: 'left' })]],
  ['clients!fk!inner(id)', [relation('clients', [field('id')], { hint: 'fk', join: 'inner' })]],
  ['c:clients!inner!fk(id)', [relation('clients', [field('id')], { alias: 'c', hint: 'fk', join: 'inner' })]],
  ['...clients(id)', [relation('clients', [field('id')], { spread: true })]],
  [
    '...clients!"a fk"!left(n:name)',
    [relation('clients', [field('name', { alias: 'n' })], { spread: true, hint: 'a fk', join: 'left' })],
  ],
  ['a(b(c(d))),e', [relation('a', [relation('b', [relation('c', [field('d')])])]), field('e')]],
  ['"odd, name"(id)', [relation('odd, name', [field('id')])]],
  ['clients ( id )', [relation('clients', [field('id')])]],
];

describe('select', () => {
  test.each(cases)('%s', (select, items) => {
    expect(requestOf(`GET /films?select=${encodeURIComponent(select)}`).query.select).toEqual(items);
  });

  test('selects everything when it is absent', () => {
    expect(requestOf('GET /films').query.select).toEqual([all]);
    expect(requestOf('GET /films?select').query.select).toEqual([all]);
  });

  test('counts the first time when it is repeated', () => {
    expect(requestOf('GET /films?select=a&select=b').query.select).toEqual([field('a')]);
  });
});

const refusals: readonly (readonly [select: string, column: number, details: string])[] = [
  [
    'id,clients(name[])',
    16,
    `unexpected '[' expecting letter, digit, "-", "->>", "->", "::", ".", ")", "," or end of input`,
  ],
  ['data->>-78xy', 11, `unexpected 'x' expecting digit, "->", "::", ".", "," or end of input`],
  ['data->>--34', 9, 'unexpected "-" expecting digit'],
  [
    'name!hint',
    5,
    `unexpected '!' expecting letter, digit, "-", "->>", "->", "::", ".", ")", "," or end of input`,
  ],
  ['name::', 7, 'unexpected end of input expecting letter or digit'],
  [
    'data->(!@#$%^&*_d->>!@#$%^&*_e::integer',
    7,
    'unexpected "(" expecting "-", digit or any non reserved character different from: .,>()',
  ],
  [
    'clients(id',
    11,
    'unexpected end of input expecting letter, digit, "-", "->>", "->", "::", ".", ")", "," or end of input',
  ],
];

describe('select is refused', () => {
  test.each(refusals)('%s', (select, column, details) => {
    expect(refusalOf(`GET /films?select=${encodeURIComponent(select)}`)).toEqual({
      status: 400,
      code: 'PGRST100',
      message: `"failed to parse select parameter (${select})" (line 1, column ${column})`,
      details,
      hint: null,
    });
  });

  test('beyond 200 levels of embedding', () => {
    expect(requestOf(`GET /films?select=${'a('.repeat(200)}${')'.repeat(200)}`).query.select).toHaveLength(1);
    expect(refusalOf(`GET /films?select=${'a('.repeat(201)}${')'.repeat(201)}`)).toMatchObject({
      status: 400,
      code: 'PGRST100',
      details: 'unexpected nesting of more than 200 levels',
    });
  });
});

import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { ftsOperators, quantifiedOperators, simpleOperators } from '../../../src/rest/request/query.ts';
import type { AtPath, Filter, LogicTree, Operation } from '../../../src/rest/request/query.ts';
import { filterCases } from '../sql/filter-cases.ts';
import { refusalOf, requestOf } from './request-of.ts';

function filter(name: string, operation: Operation, negated = false): Filter {
  return { field: { name, jsonPath: [] }, expression: { negated, operation } };
}

function eq(value: string): Operation {
  return { kind: 'quantified', operator: 'eq', quantifier: null, value };
}

const operations: readonly (readonly [value: string, operation: Operation, negated?: boolean])[] = [
  ['eq.1', eq('1')],
  ['eq.', eq('')],
  ['not.eq.1', eq('1'), true],
  ['eq."quoted, as it is"', eq('"quoted, as it is"')],
  ['eq.not.in.(1)', eq('not.in.(1)')],
  ['gt.1', { kind: 'quantified', operator: 'gt', quantifier: null, value: '1' }],
  ['gte.1', { kind: 'quantified', operator: 'gte', quantifier: null, value: '1' }],
  ['lt.1', { kind: 'quantified', operator: 'lt', quantifier: null, value: '1' }],
  ['lte.1', { kind: 'quantified', operator: 'lte', quantifier: null, value: '1' }],
  ['like(any).{a*,b*}', { kind: 'quantified', operator: 'like', quantifier: 'any', value: '{a*,b*}' }],
  ['not.ilike(all).{a*}', { kind: 'quantified', operator: 'ilike', quantifier: 'all', value: '{a*}' }, true],
  ['match.^a', { kind: 'quantified', operator: 'match', quantifier: null, value: '^a' }],
  ['imatch.^a', { kind: 'quantified', operator: 'imatch', quantifier: null, value: '^a' }],
  ['neq.1', { kind: 'simple', operator: 'neq', value: '1' }],
  ...(['cs', 'cd', 'ov', 'sl', 'sr', 'nxr', 'nxl', 'adj'] as const).map(
    (operator) => [`${operator}.[1,2)`, { kind: 'simple', operator, value: '[1,2)' }] as const,
  ),
  ['in.(1,2,3)', { kind: 'in', values: ['1', '2', '3'] }],
  ['in.()', { kind: 'in', values: [''] }],
  ['in.("a,b","c)d","e\\"f\\\\",g h)', { kind: 'in', values: ['a,b', 'c)d', 'e"f\\', 'g h'] }],
  ['in.("a"b,c)', { kind: 'in', values: ['"a"b', 'c'] }],
  ['not.in.(1)', { kind: 'in', values: ['1'] }, true],
  ['is.null', { kind: 'is', value: 'null' }],
  ['is.NOT_NULL', { kind: 'is', value: 'not_null' }],
  ['is.True', { kind: 'is', value: 'true' }],
  ['is.false', { kind: 'is', value: 'false' }],
  ['not.is.unknown', { kind: 'is', value: 'unknown' }, true],
  ['isdistinct.1', { kind: 'isdistinct', value: '1' }],
  ['fts.cat', { kind: 'fts', operator: 'fts', language: null, value: 'cat' }],
  ['plfts(english).the cat', { kind: 'fts', operator: 'plfts', language: 'english', value: 'the cat' }],
  ['not.phfts(german).x', { kind: 'fts', operator: 'phfts', language: 'german', value: 'x' }, true],
  ['wfts.a or b', { kind: 'fts', operator: 'wfts', language: null, value: 'a or b' }],
];

test.each([...quantifiedOperators, ...simpleOperators, ...ftsOperators, 'in', 'is', 'isdistinct'])(
  'the operator %s is read, run and documented',
  async (operator) => {
    const used = new RegExp(`(?<!\\w)${operator}(?:\\(\\w+\\))?\\.`);
    const page = await readFile(new URL('../../../docs/rest.md', import.meta.url), 'utf8');
    const missing = [
      ...(operations.some(([value]) => used.test(value))
        ? []
        : [`operations of test/rest/request/filter-grammar.test.ts: how ${operator} is read`]),
      ...(filterCases.some(([query]) => used.test(query))
        ? []
        : [`test/rest/sql/filter-cases.ts: the rows that ${operator} leaves`]),
      ...(page.includes(`\`${operator}\``)
        ? []
        : [`docs/rest.md: whether ${operator} uses an index, and that it is added where PostgREST lacks it`]),
    ];
    expect(missing, `to be written of the operator ${operator}`).toEqual([]);
  },
);

describe('a filter', () => {
  test.each(
    operations.map(([value, operation, negated]) => ({ value, operation, negated: negated ?? false })),
  )('$value', ({ value, operation, negated }) => {
    const { filters } = requestOf(`GET /films?id=${encodeURIComponent(value)}`).query;
    expect(filters).toEqual([{ path: [], value: filter('id', operation, negated) }]);
  });

  const names: readonly (readonly [name: string, at: AtPath<Filter>])[] = [
    ['clients.id', { path: ['clients'], value: filter('id', eq('1')) }],
    ['a.b.c', { path: ['a', 'b'], value: filter('c', eq('1')) }],
    ['"a.b".c', { path: ['a.b'], value: filter('c', eq('1')) }],
    ['Unit Price', { path: [], value: filter('Unit Price', eq('1')) }],
    ['نام', { path: [], value: filter('نام', eq('1')) }],
    [
      'a.data->b->>0',
      {
        path: ['a'],
        value: {
          ...filter('', eq('1')),
          field: {
            name: 'data',
            jsonPath: [
              { arrow: '->', key: 'b' },
              { arrow: '->>', index: 0 },
            ],
          },
        },
      },
    ],
  ];

  test.each(names)('on %s', (name, at) => {
    expect(requestOf(`GET /films?${encodeURIComponent(name)}=eq.1`).query.filters).toEqual([at]);
  });

  test('may be repeated, and keeps its order', () => {
    const { filters, filterNames } = requestOf('GET /films?b=gt.1&a=eq.1&b=lt.5&a.c=is.null').query;
    expect(filters.map(({ value }) => value.field.name)).toEqual(['b', 'a', 'b', 'c']);
    expect(filterNames).toEqual(['b', 'a', 'a.c']);
  });

  test('without = is ignored', () => {
    expect(requestOf('GET /films?id').query.filters).toEqual([]);
  });
});

const badFilters: readonly (readonly [value: string, column: number, details: string])[] = [
  ['0', 1, 'unexpected "0" expecting "not" or operator (eq, gt, ...)'],
  ['noop.0', 1, 'unexpected "o" expecting "not" or operator (eq, gt, ...)'],
  ['', 1, 'unexpected end of input expecting "not" or operator (eq, gt, ...)'],
  ['eq().1', 4, 'unexpected ")" expecting operator (eq, gt, ...)'],
  ['fts().1', 5, 'unexpected ")" expecting operator (eq, gt, ...)'],
  ['is().1', 3, 'unexpected "(" expecting operator (eq, gt, ...)'],
  ['in().1', 3, 'unexpected "(" expecting operator (eq, gt, ...)'],
  ['in.1', 4, 'unexpected "1" expecting "("'],
  ['is.maybe', 4, 'unexpected "m" expecting isVal: (null, not_null, true, false, unknown)'],
];

describe('a filter is refused', () => {
  test.each(badFilters)('id=%s', (value, column, details) => {
    expect(refusalOf(`GET /films?id=${value}`)).toEqual({
      status: 400,
      code: 'PGRST100',
      message: `"failed to parse filter (${value})" (line 1, column ${column})`,
      details,
      hint: null,
    });
  });

  test('when its name cannot be a column', () => {
    expect(refusalOf('GET /films?:=eq.1')).toMatchObject({
      message: '"failed to parse tree path (:)" (line 1, column 1)',
      details: 'unexpected ":" expecting field name (* or [a..z0..9_$])',
    });
  });

  test('with a position in characters, not bytes, and lines', () => {
    expect(refusalOf(`GET /films?id=${encodeURIComponent('in.(𝒳,\n\té')}`)).toMatchObject({
      message: '"failed to parse filter (in.(𝒳,\n\té)" (line 2, column 10)',
      details: 'unexpected end of input expecting "," or ")"',
    });
    expect(refusalOf(`GET /films?id=${encodeURIComponent('é')}`).details).toBe(
      'unexpected "\\233" expecting "not" or operator (eq, gt, ...)',
    );
  });
});

function leaf(name: string, operation: Operation, negated = false): LogicTree {
  return { kind: 'leaf', leaf: filter(name, operation, negated) };
}

function group(operator: 'and' | 'or', members: readonly LogicTree[], negated = false): LogicTree {
  return { kind: 'group', negated, operator, members };
}

const trees: readonly (readonly [parameter: string, at: AtPath<LogicTree>])[] = [
  ['or=(id.eq.1,id.eq.2)', { path: [], value: group('or', [leaf('id', eq('1')), leaf('id', eq('2'))]) }],
  ['and=(id.eq.1)', { path: [], value: group('and', [leaf('id', eq('1'))]) }],
  ['not.or=(id.eq.1)', { path: [], value: group('or', [leaf('id', eq('1'))], true) }],
  ['a.b.not.and=(id.eq.1)', { path: ['a', 'b'], value: group('and', [leaf('id', eq('1'))], true) }],
  [
    'or=(a.not.eq.1,not.and(b.eq.2,or(c.eq.3)))',
    {
      path: [],
      value: group('or', [
        leaf('a', eq('1'), true),
        group('and', [leaf('b', eq('2')), group('or', [leaf('c', eq('3'))])], true),
      ]),
    },
  ],
  [
    'or=(a.in.(1,2), "b.c".eq."x,y)", d.cs.{1,2},e.is.null)',
    {
      path: [],
      value: group('or', [
        leaf('a', { kind: 'in', values: ['1', '2'] }),
        leaf('b.c', eq('x,y)')),
        leaf('d', { kind: 'simple', operator: 'cs', value: '{1,2}' }),
        leaf('e', { kind: 'is', value: 'null' }),
      ]),
    },
  ],
  ['or=(a.eq.)', { path: [], value: group('or', [leaf('a', eq(''))]) }],
  [
    'and=(d->a.eq.1)',
    {
      path: [],
      value: group('and', [
        {
          kind: 'leaf',
          leaf: { ...filter('', eq('1')), field: { name: 'd', jsonPath: [{ arrow: '->', key: 'a' }] } },
        },
      ]),
    },
  ],
];

describe('and, or', () => {
  test.each(trees)('%s', (parameter, at) => {
    expect(requestOf(`GET /films?${encodeURI(parameter)}`).query.logic).toEqual([at]);
  });

  test.each([
    [
      'or=()',
      '"failed to parse logic tree (())" (line 1, column 4)',
      'unexpected ")" expecting field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)',
    ],
    ['or=)(', '"failed to parse logic tree ()()" (line 1, column 3)', 'unexpected ")" expecting "("'],
    [
      'or=(id.in.1,2,id.eq.3)',
      '"failed to parse logic tree ((id.in.1,2,id.eq.3))" (line 1, column 10)',
      'unexpected "1" expecting "("',
    ],
    [
      'and=(ord(id.eq.1),id.eq.2)',
      '"failed to parse logic tree ((ord(id.eq.1),id.eq.2))" (line 1, column 7)',
      'unexpected "d" expecting "("',
    ],
    [
      'or=(id.eq.1,not.xor(id.eq.2))',
      '"failed to parse logic tree ((id.eq.1,not.xor(id.eq.2)))" (line 1, column 16)',
      'unexpected "x" expecting logic operator (and, or)',
    ],
  ])('%s is refused', (parameter, message, details) => {
    expect(refusalOf(`GET /films?${parameter}`)).toEqual({
      status: 400,
      code: 'PGRST100',
      message,
      details,
      hint: null,
    });
  });

  test('are refused when they nest deeper than 200 levels', () => {
    expect(refusalOf(`GET /films?and=(${'and('.repeat(1000)}`)).toMatchObject({
      status: 400,
      code: 'PGRST100',
      details: 'unexpected nesting of more than 200 levels',
    });
  });
});

import { describe, expect, test } from 'vitest';
import type { OrderTerm } from '../../../src/rest/request/query.ts';
import { refusalOf, requestOf } from './request-of.ts';

function by(name: string, parts: Partial<OrderTerm> = {}): OrderTerm {
  return { relation: null, field: { name, jsonPath: [] }, direction: null, nulls: null, ...parts };
}

const cases: readonly (readonly [order: string, terms: readonly OrderTerm[]])[] = [
  ['id', [by('id')]],
  ['id.desc', [by('id', { direction: 'desc' })]],
  ['id.asc.nullsfirst', [by('id', { direction: 'asc', nulls: 'nullsfirst' })]],
  ['id.nullslast', [by('id', { nulls: 'nullslast' })]],
  ['a.desc, b , c.asc', [by('a', { direction: 'desc' }), by('b'), by('c', { direction: 'asc' })]],
  ['"a.b".desc', [by('a.b', { direction: 'desc' })]],
  [
    'data->key.desc',
    [by('', { field: { name: 'data', jsonPath: [{ arrow: '->', key: 'key' }] }, direction: 'desc' })],
  ],
  [
    'data->0.desc',
    [by('', { field: { name: 'data', jsonPath: [{ arrow: '->', index: 0 }] }, direction: 'desc' })],
  ],
  [
    'name,clients(name).desc.nullsfirst,id',
    [by('name'), by('name', { relation: 'clients', direction: 'desc', nulls: 'nullsfirst' }), by('id')],
  ],
];

describe('order', () => {
  test.each(cases)('%s', (order, terms) => {
    expect(requestOf(`GET /films?order=${encodeURIComponent(order)}`).query.order).toEqual([
      { path: [], value: terms },
    ]);
  });

  test('may name embedded levels', () => {
    expect(requestOf('GET /films?a.b.order=id.desc&order=x').query.order).toEqual([
      { path: ['a', 'b'], value: [by('id', { direction: 'desc' })] },
      { path: [], value: [by('x')] },
    ]);
  });

  const refusals: readonly (readonly [order: string, column: number, details: string])[] = [
    ['', 1, 'unexpected end of input expecting field name (* or [a..z0..9_$])'],
    [
      'clients(name,id)',
      8,
      `unexpected '(' expecting letter, digit, "-", "->>", "->", delimiter (.), "," or end of input`,
    ],
    ['id.ac', 4, 'unexpected "c" expecting "asc", "desc", "nullsfirst" or "nullslast"'],
    ['id.descc', 8, `unexpected 'c' expecting delimiter (.), "," or end of input`],
    ['id.nulsfist', 4, 'unexpected "n" expecting "asc", "desc", "nullsfirst" or "nullslast"'],
    ['id.nullslasttt', 13, `unexpected 't' expecting "," or end of input`],
    ['id.smth34', 4, 'unexpected "s" expecting "asc", "desc", "nullsfirst" or "nullslast"'],
    ['id.asc.nlsfst', 8, 'unexpected "l" expecting "nullsfirst" or "nullslast"'],
    ['id.asc.nullslasttt', 17, `unexpected 't' expecting "," or end of input`],
  ];

  test.each(refusals)('%s is refused', (order, column, details) => {
    expect(refusalOf(`GET /films?order=${order}`)).toEqual({
      status: 400,
      code: 'PGRST100',
      message: `"failed to parse order (${order})" (line 1, column ${column})`,
      details,
      hint: null,
    });
  });
});

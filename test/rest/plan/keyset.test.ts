import { describe, expect, test } from 'vitest';
import type { OrderTerm } from '../../../src/rest/request/query.ts';
import { catalog, column, foreignKey, table } from './catalog.ts';
import { embed, get, having, order, planOf, refusalOf, select } from './requests.ts';
import type { Said } from './requests.ts';

const cache = catalog({
  tables: [
    table(
      'points',
      [column('at', 'timestamptz', { nullable: false }), column('value', 'integer'), column('data', 'jsonb')],
      {
        primaryKey: ['id', 'at'],
      },
    ),
    table('summary', [], { isView: true, primaryKey: [] }),
    table('series'),
  ],
  relationships: foreignKey('points', 'series', [['value', 'id']]),
});

const asked = (after: string, terms: readonly OrderTerm[] = [], said: Said = {}) =>
  get('points', { ...said, query: { ...said.query, after, order: [{ path: [], value: terms }] } });
const keyset = (after: string, terms: readonly OrderTerm[] = []) =>
  planOf('read', asked(after, terms), cache).keyset;
const token = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a page after a cursor', () => {
  test('is used only when a read asks for it', () => {
    expect(planOf('read', get('points'), cache).keyset).toBeNull();
  });

  test('is in the order of the request, made total by the primary key', () => {
    const terms = [order('value', { direction: 'desc' }), order('id', { direction: 'desc' })];
    expect(keyset('', terms)).toMatchObject({
      after: null,
      terms: [
        { field: { name: 'value' }, direction: 'desc', nulls: 'nullsfirst', nullable: true },
        { field: { name: 'id' }, direction: 'desc', nulls: 'nullsfirst', nullable: false },
        { field: { name: 'at', type: 'timestamptz' }, direction: 'asc', nulls: 'nullslast', nullable: false },
      ],
    });
  });

  test('states where nulls are, and that a path into json may be null', () => {
    const path = order('at', {
      nulls: 'nullsfirst',
      field: { name: 'at', jsonPath: [{ arrow: '->>', key: 'a' }] },
    });
    expect(keyset('', [path])?.terms).toMatchObject([
      { field: { name: 'at' }, nulls: 'nullsfirst', nullable: true },
      { field: { name: 'id' } },
      { field: { name: 'at', jsonPath: [] } },
    ]);
  });

  test('begins after the values of the cursor', () => {
    expect(keyset(token(['5', null, 'ü']), [order('value')])?.after).toEqual(['5', null, 'ü']);
  });

  test.each([
    ['no base64url', '===='],
    ['no JSON', Buffer.from('{').toString('base64url')],
    ['no array', token({ length: 2 })],
    ['other than text', token([1, '2'])],
  ])('is refused for a cursor that is %s', (_, after) => {
    expect(refusalOf(asked(after), cache)).toEqual({
      code: 'PGRST100',
      message: `"failed to parse after parameter (${after})"`,
      details: 'It is not a cursor: use the one from the last answer, or leave it empty for the first page',
      hint: null,
    });
  });

  test('is refused for a cursor of another order', () => {
    expect(refusalOf(asked(token(['1'])), cache)).toMatchObject({
      code: 'PGRST100',
      details: 'It has 1 values, but this order needs 2: start again with an empty cursor',
    });
  });

  test.each<[string, Said, readonly OrderTerm[], string]>([
    ['an offset', { topRange: { offset: 1, limit: null } }, [], 'offset'],
    ['distinct rows', { query: { distinct: { kind: 'rows' } } }, [], 'distinct'],
    ['groups', { query: { having: [having('id', 'count')] } }, [], 'having'],
    ['aggregates', { query: { select: [select('id', { aggregate: 'max' })] } }, [], 'aggregates'],
    [
      'the order of an embed',
      { query: { select: [embed('series')] } },
      [order('series(id)')],
      'embedded resource',
    ],
  ])('is refused together with %s', (_, said, terms, word) => {
    const refusal = refusalOf(asked('', terms, said), cache);
    expect(refusal.code).toBe('PGRST100');
    expect(refusal.details).toContain(word);
  });

  test('needs a primary key or an order', () => {
    const of = (query: Said['query']) => get('summary', { query: { after: '', ...query } });
    expect(refusalOf(of({}), cache)).toMatchObject({
      code: 'PGRST100',
      details: "'summary' has no primary key: name the columns to page by in 'order'",
    });
    const ordered = of({ order: [{ path: [], value: [order('id')] }] });
    expect(planOf('read', ordered, cache).keyset?.terms).toHaveLength(1);
  });
});

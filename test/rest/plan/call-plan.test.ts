import { describe, expect, test } from 'vitest';
import { catalog, column, foreignKey, parameter, routine, rowsOf, table } from './catalog.ts';
import { call, embed, filter, order, plain, planOf, refusalOf, select } from './requests.ts';
import type { Said } from './requests.ts';

const cache = catalog({
  tables: [table('films', [column('director_id', 'integer')]), table('directors')],
  relationships: foreignKey('films', 'directors', [['director_id', 'id']]),
  routines: [
    routine('add', [parameter('a'), parameter('b?')]),
    routine('join_words', [parameter('separator', 'text'), parameter('...words', 'text[]')]),
    routine('take_bytes', [parameter('', 'bytea')]),
    routine('all_films', [], { returns: rowsOf('films'), volatility: 'stable' }),
    routine('fix_films', [], { returns: rowsOf('films'), volatility: 'immutable' }),
  ],
});

function callPlan(method: 'get' | 'head' | 'post', name: string, said: Said = {}) {
  return planOf('call', call(method, name, said), cache).callPlan;
}

describe('the arguments of a call', () => {
  test('are the body, whose names say which parameters are given', () => {
    const payload = { kind: 'json', text: '{"a":1}', keys: ['a'] } as const;
    expect(callPlan('post', 'add', { payload, columns: ['a'] })).toMatchObject({
      parameters: { kind: 'named', parameters: [{ name: 'a' }] },
      arguments: { kind: 'body', body: '{"a":1}' },
    });
  });

  test('are the whole body of a single unnamed parameter', () => {
    const bytes = Buffer.from([0, 255]);
    const said = { payload: { kind: 'raw', bytes }, contentType: plain('application/octet-stream') } as const;
    expect(callPlan('post', 'take_bytes', said)).toMatchObject({
      parameters: { kind: 'single-unnamed', parameter: { type: 'bytea' } },
      arguments: { kind: 'body', body: bytes },
    });
  });

  const words = [
    ['separator', ';'],
    ['words', 'a'],
    ['separator', ','],
    ['words', 'b'],
  ] as const;
  const values = new Map<string, unknown>([
    ['separator', ','],
    ['words', ['a', 'b']],
  ]);

  test('come from the query string: all values of a variadic parameter, and the last of any other', () => {
    expect(callPlan('get', 'join_words', { query: { parameters: words } }).arguments).toEqual({
      kind: 'direct',
      values,
    });
  });

  test('come from a form', () => {
    const payload = { kind: 'form', pairs: words, keys: ['separator', 'words'] } as const;
    const plan = callPlan('post', 'join_words', { payload, columns: ['separator', 'words'] });
    expect(plan.arguments).toEqual({ kind: 'direct', values });
  });

  test('are empty without a body', () => {
    expect(callPlan('post', 'all_films').arguments).toEqual({ kind: 'body', body: null });
  });
});

describe('a call', () => {
  test.each([
    ['get', 'add', true],
    ['post', 'add', false],
    ['post', 'all_films', true],
    ['post', 'fix_films', true],
  ] as const)('by %s of %s is read-only: %s', (method, name, readOnly) => {
    const said = { columns: ['a'], query: { parameters: [['a', '1']] as const } };
    expect(planOf('call', call(method, name, name === 'add' ? said : {}), cache).readOnly).toBe(readOnly);
  });

  test('returns the columns that are selected, joined, filtered and ordered by, or everything', () => {
    const query = {
      select: [embed('directors')],
      filters: [filter('title'), filter('directors.name')],
      order: [{ path: [], value: [order('year')] }],
    };
    expect(callPlan('get', 'all_films', { query }).returning).toEqual(['director_id', 'title', 'year']);
    expect(callPlan('get', 'all_films').returning).toEqual(['*']);
    expect(callPlan('get', 'all_films', { query: { select: [] } }).returning).toEqual(['*']);
    expect(callPlan('get', 'all_films', { query: { select: [select('id')] } }).returning).toEqual(['id']);
  });

  test('embeds on the rows of a table, whose relation it reports', () => {
    const { relation, readPlan } = planOf(
      'call',
      call('get', 'all_films', { query: { select: [embed('directors')] } }),
      cache,
    );
    expect(relation).toEqual({ schema: 'api', name: 'films' });
    expect(readPlan.embeds[0]?.from).toEqual({ schema: 'api', name: 'directors' });
    expect(planOf('call', call('post', 'add', { columns: ['a'] }), cache).relation.name).toBe('add');
  });

  test('cannot be limited by max-affected when it returns one value', () => {
    const preferences = { handling: 'strict', maxAffected: 1 } as const;
    expect(refusalOf(call('post', 'add', { columns: ['a'], preferences }), cache)).toEqual({
      code: 'PGRST128',
      message:
        'Function must return SETOF or TABLE when max-affected preference is used with handling=strict',
      details: null,
      hint: null,
    });
    expect(planOf('call', call('post', 'all_films', { preferences }), cache).kind).toBe('call');
    expect(
      planOf('call', call('post', 'add', { columns: ['a'], preferences: { maxAffected: 1 } }), cache).kind,
    ).toBe('call');
  });
});

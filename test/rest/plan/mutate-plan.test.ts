import { describe, expect, test } from 'vitest';
import { films } from './films.ts';
import { embed, filter, order, planOf, refusalOf, select, write } from './requests.ts';
import type { Said } from './requests.ts';

const body = { kind: 'json', text: '{"name":"x"}', keys: ['name'] } as const;

function mutation(kind: Parameters<typeof write>[0], name: string, said: Said) {
  return planOf('mutate', write(kind, name, { payload: body, columns: ['name'], ...said }), films).mutatePlan;
}

describe('an insert', () => {
  test('writes the columns that the body or the request names', () => {
    expect(mutation('insert', 'paints', { columns: ['color', 'name'] })).toEqual(
      expect.objectContaining({
        kind: 'insert',
        into: { schema: 'api', name: 'paints' },
        columns: [
          expect.objectContaining({ name: 'color', type: 'json', transform: '"api"."color_from_json"' }),
          expect.objectContaining({ name: 'name', type: 'text', transform: null }),
        ],
        body: body.text,
        onConflict: null,
        where: [],
        returning: [],
        primaryKey: ['id'],
        applyDefaults: false,
      }),
    );
  });

  test('refuses an unknown column', () => {
    expect(refusalOf(write('insert', 'paints', { payload: body, columns: ['nam'] }), films)).toEqual({
      code: 'PGRST204',
      message: "Could not find the 'nam' column of 'paints' in the schema cache",
      details: null,
      hint: null,
    });
  });

  test('finds existing rows by the primary key, or by the columns of on_conflict', () => {
    const preferences = { resolution: 'ignore-duplicates' } as const;
    expect(mutation('insert', 'studios', { preferences })).toMatchObject({
      onConflict: { resolution: 'ignore-duplicates', columns: ['id'] },
    });
    expect(mutation('insert', 'studios', { preferences, query: { onConflict: ['name'] } })).toMatchObject({
      onConflict: { columns: ['name'] },
    });
  });

  test('fills in defaults when the preference says so', () => {
    expect(mutation('insert', 'studios', { preferences: { missing: 'default' } })).toMatchObject({
      applyDefaults: true,
    });
  });
});

describe('the result of a write', () => {
  const returning = (
    query: Said['query'],
    representation: 'full' | 'headers-only' | 'minimal' | null = 'full',
  ) =>
    mutation('update', 'films', { columns: ['title'], query: query ?? {}, preferences: { representation } })
      .returning;

  test('is empty unless it is asked for', () => {
    expect(returning({ select: [select('title')] }, null)).toEqual([]);
    expect(returning({ select: [select('title')] }, 'minimal')).toEqual([]);
  });

  test('has the columns that are selected, joined and ordered by, and the key for Location', () => {
    const query = {
      select: [select('title'), embed('directors'), embed('reviews'), embed('actors')],
      order: [{ path: [], value: [order('studio_id'), order('directors(name)')] }],
    };
    expect(returning(query)).toEqual(['director_id', 'id', 'studio_id', 'title']);
    expect(returning({ select: [select('title')] }, 'headers-only')).toEqual(['id', 'title']);
  });

  test('has every column for a star, and for a computed relationship, whose function gets the row', () => {
    expect(returning({})).toEqual(['*']);
    expect(returning({ select: [select('title'), embed('similar_films')] })).toEqual(['*']);
  });
});

describe('PUT', () => {
  const eq = filter('id');

  test('writes the row that the key names, and merges it with an existing one', () => {
    expect(mutation('upsert-one', 'studios', { query: { filters: [eq] } })).toMatchObject({
      kind: 'insert',
      onConflict: { resolution: 'merge-duplicates', columns: ['id'] },
      where: [{ kind: 'leaf', leaf: { kind: 'field', field: { name: 'id' } } }],
      applyDefaults: false,
    });
  });

  test.each<[string, string, Said['query']]>([
    ['no filter', 'studios', {}],
    ['a filter on another column', 'studios', { filters: [eq, filter('name')] }],
    ['another operator', 'studios', { filters: [filter('id', { kind: 'in', values: ['1'] })] }],
    ['a negated one', 'studios', { filters: [filter('id', '1', true)] }],
    [
      'a quantified one',
      'studios',
      { filters: [filter('id', { kind: 'quantified', operator: 'eq', quantifier: 'any', value: '{1}' })] },
    ],
    [
      'a group',
      'studios',
      {
        filters: [eq],
        logic: [{ path: [], value: { kind: 'group', negated: false, operator: 'or', members: [] } }],
      },
    ],
    ['a relation without key', 'pivots', {}],
  ])('refuses %s', (_, name, query) => {
    const asked = write('upsert-one', name, { payload: body, columns: ['nothing'], query: query ?? {} });
    expect(refusalOf(asked, films)).toEqual({
      code: 'PGRST105',
      message: "Filters must include all and only primary key columns with 'eq' operators",
      details: null,
      hint: null,
    });
  });
});

describe('updates and deletes', () => {
  test('affect the rows that the top filters and groups choose', () => {
    const query = {
      filters: [filter('color', '7')],
      logic: [
        {
          path: [],
          value: {
            kind: 'group',
            negated: false,
            operator: 'or',
            members: [{ kind: 'leaf', leaf: filter('name').value }],
          },
        },
      ],
    } as const;
    for (const kind of ['update', 'delete'] as const) {
      expect(mutation(kind, 'paints', { query })).toMatchObject({
        kind,
        where: [
          {
            kind: 'leaf',
            leaf: { kind: 'field', field: { name: 'color', transform: '"api"."color_from_text"' } },
          },
          { kind: 'group', members: [{ leaf: { field: { name: 'name' } } }] },
        ],
      });
    }
  });

  test('are empty for an update without columns', () => {
    expect(mutation('update', 'studios', { columns: [], payload: null })).toMatchObject({
      columns: [],
      body: null,
    });
  });
});

import { describe, expect, test } from 'vitest';
import type { ReadPlan } from '../../../src/rest/plan/plan.ts';
import { sourceName } from '../../../src/rest/plan/plan.ts';
import { api } from './catalog.ts';
import { films } from './films.ts';
import { call, embed, filter, get, order, planOf, refusalOf, select, write } from './requests.ts';
import type { Said } from './requests.ts';

function readOf(name: string, query: Said['query'], maxRows: number | null = null): ReadPlan {
  return planOf('read', get(name, { query: query ?? {} }), films, { maxRows }).readPlan;
}

const isNull = { kind: 'is', value: 'null' } as const;

describe('the levels of a read', () => {
  test('are joined on the columns of their foreign keys, under unique aliases', () => {
    const plan = readOf('films', { select: [embed('directors', [embed('countries')]), embed('reviews')] });
    const [directors, reviews] = plan.embeds;
    expect(plan).toMatchObject({ from: api('films'), fromAlias: null, relationship: null, depth: 0 });
    expect(directors).toMatchObject({
      from: api('directors'),
      fromAlias: 'directors_1',
      aggregateAlias: 'films_directors_1',
      depth: 1,
      joinConditions: [
        {
          left: { relation: { schema: '', name: 'directors_1' }, column: 'id' },
          right: { relation: api('films'), column: 'director_id' },
        },
      ],
    });
    expect(directors?.embeds[0]?.joinConditions).toEqual([
      {
        left: { relation: { schema: '', name: 'countries_2' }, column: 'id' },
        right: { relation: { schema: '', name: 'directors_1' }, column: 'country_id' },
      },
    ]);
    expect(reviews).toMatchObject({ fromAlias: 'reviews_1', aggregateAlias: 'films_reviews_1' });
  });

  test('are joined over a junction under the names of both its tables', () => {
    const [actors] = readOf('films', { select: [embed('actors')] }).embeds;
    expect(actors).toMatchObject({
      from: api('actors'),
      fromAlias: null,
      joinConditions: [
        {
          left: { relation: api('roles'), column: 'actors_id' },
          right: { relation: api('actors'), column: 'id' },
        },
        {
          left: { relation: api('roles'), column: 'films_id' },
          right: { relation: api('films'), column: 'id' },
        },
      ],
    });
  });

  test('pass the row to a computed relationship, by its alias if it has one', () => {
    const plan = readOf('directors', { select: [embed('films', [embed('similar_films')])] });
    const top = readOf('films', { select: [embed('similar_films')] });
    expect(plan.embeds[0]?.embeds[0]).toMatchObject({
      computedArgument: { schema: '', name: 'films_1' },
      joinConditions: [],
      fromAlias: 'films_2',
    });
    expect(top.embeds[0]?.computedArgument).toEqual(api('films'));
  });

  test('come from the write or the call, if there is one, under the name of their table', () => {
    const said = { query: { select: [embed('directors')] } };
    const [written, called] = [
      planOf('mutate', write('insert', 'films', said), films).readPlan,
      planOf('call', call('get', 'all_films', said), films).readPlan,
    ];
    for (const plan of [written, called]) {
      expect(plan).toMatchObject({ from: { schema: '', name: sourceName }, fromAlias: 'films' });
      expect(plan.embeds[0]?.joinConditions[0]?.right).toEqual({
        relation: { schema: '', name: 'films' },
        column: 'director_id',
      });
    }
  });

  test('are objects for at most one row, otherwise arrays, or nothing when nothing is selected', () => {
    const plan = readOf('films', {
      select: [
        embed('directors', [select('*')], { alias: 'made_by' }),
        embed('technical_specs'),
        embed('reviews'),
        embed('actors', [embed('films', [])]),
      ],
    });
    expect(plan.relationSelects).toEqual([
      { kind: 'json', name: 'made_by', aggregateAlias: 'films_made_by_1', mode: 'object', empty: false },
      {
        kind: 'json',
        name: 'technical_specs',
        aggregateAlias: 'films_technical_specs_1',
        mode: 'object',
        empty: false,
      },
      { kind: 'json', name: 'reviews', aggregateAlias: 'films_reviews_1', mode: 'array', empty: false },
      { kind: 'json', name: 'actors', aggregateAlias: 'films_actors_1', mode: 'array', empty: true },
    ]);
  });

  test('each return at most the allowed number of rows', () => {
    const plan = readOf(
      'films',
      {
        select: [embed('reviews'), embed('actors')],
        ranges: [{ path: ['reviews'], value: { offset: 3, limit: 2 } }],
      },
      10,
    );
    expect([plan, ...plan.embeds].map(({ range }) => range)).toEqual([
      { offset: 0, limit: 10 },
      { offset: 3, limit: 2 },
      { offset: 0, limit: 10 },
    ]);
  });
});

test('distinct rows are requested only at the top level', () => {
  const plan = readOf('films', { select: [select('*'), embed('reviews')], distinct: { kind: 'rows' } });
  expect([plan.distinct, plan.embeds[0]?.distinct]).toEqual([{ kind: 'rows' }, null]);
});

describe('a filter on an embed as a whole', () => {
  test.each([
    ['is.null', isNull, false, false],
    ['not.is.null', isNull, true, true],
    ['is.not_null', { kind: 'is', value: 'not_null' } as const, false, true],
  ])('%s asks whether it found a row', (_, operation, negated, found) => {
    const plan = readOf('films', {
      select: [embed('reviews', [], { alias: 'opinions' })],
      filters: [filter('opinions', operation, negated)],
    });
    expect(plan.where).toEqual([
      {
        kind: 'leaf',
        leaf: { kind: 'null-embed', negated: found, aggregateAlias: 'films_opinions_1', isArray: true },
      },
    ]);
  });

  test('may stand in a group', () => {
    const plan = readOf('films', {
      select: [embed('reviews'), embed('actors')],
      logic: [
        {
          path: [],
          value: {
            kind: 'group',
            negated: false,
            operator: 'or',
            members: ['reviews', 'actors'].map((name) => ({
              kind: 'leaf',
              leaf: filter(name, isNull).value,
            })),
          },
        },
      ],
    });
    expect(plan.where).toMatchObject([
      {
        members: [
          { leaf: { aggregateAlias: 'films_reviews_1' } },
          { leaf: { aggregateAlias: 'films_actors_1' } },
        ],
      },
    ]);
  });

  test('is a filter on a column when no embed has the name, or with another operator', () => {
    const plan = readOf('films', {
      select: [embed('reviews')],
      filters: [filter('title', isNull), filter('reviews', 'x')],
    });
    expect(plan.where).toMatchObject([{ leaf: { kind: 'field' } }, { leaf: { kind: 'field' } }]);
  });
});

describe('an order by a field of an embed', () => {
  test('uses the alias of its join', () => {
    const plan = readOf('films', {
      select: [embed('directors', [], { alias: 'made_by' })],
      order: [{ path: [], value: [order('made_by(name)', { direction: 'desc', nulls: 'nullslast' })] }],
    });
    expect(plan.order).toEqual([
      {
        kind: 'relation',
        relation: 'films_made_by_1',
        field: { name: 'name', jsonPath: [] },
        direction: 'desc',
        nulls: 'nullslast',
      },
    ]);
  });

  test('is refused when the embed has many rows', () => {
    const asked = get('films', {
      query: { select: [embed('reviews')], order: [{ path: [], value: [order('reviews(stars)')] }] },
    });
    expect(refusalOf(asked, films)).toEqual({
      code: 'PGRST118',
      message: "A related order on 'reviews' is not possible",
      details: "'films' and 'reviews' do not form a many-to-one or one-to-one relationship",
      hint: null,
    });
  });

  test('is refused when the relation is not embedded', () => {
    const asked = get('films', { query: { order: [{ path: [], value: [order('directors(name)')] }] } });
    expect(refusalOf(asked, films)).toEqual({
      code: 'PGRST108',
      message: "'directors' is not an embedded resource in this request",
      details: null,
      hint: "Verify that 'directors' is included in the 'select' query parameter.",
    });
  });
});

import { describe, expect, test } from 'vitest';
import { isGrouped } from '../../../src/rest/plan/aggregates.ts';
import { films } from './films.ts';
import { embed, get, having, planOf, refusalOf, select, spread } from './requests.ts';

const sum = (alias: string | null = null) =>
  select('stars', { aggregate: 'sum', aggregateCast: 'text', alias });

describe('aggregates', () => {
  test.each([
    ['at the top', { select: [sum()] }],
    ['in an embed', { select: [embed('reviews', [sum()])] }],
    ['in a condition', { having: [having('stars', 'sum')] }],
  ])('are refused unless they are enabled: %s', (_, query) => {
    expect(refusalOf(get('films', { query }), films, { aggregatesEnabled: false })).toEqual({
      code: 'PGRST123',
      message: 'Use of aggregate functions is not allowed',
      details: null,
      hint: null,
    });
  });

  test('move up from to-one spreads to the first level that is not a spread', () => {
    const items = [
      spread('films', [
        select('*', { aggregate: 'count' }),
        spread('directors', [select('id', { aggregate: 'max', alias: 'last' }), select('name')]),
      ]),
    ];
    const plan = planOf('read', get('reviews', { query: { select: items } }), films).readPlan;
    expect(plan.relationSelects).toEqual([
      {
        kind: 'spread',
        aggregateAlias: 'reviews_films_1',
        select: [
          { name: 'count', aggregate: 'count', aggregateCast: null, alias: 'count' },
          { name: 'last', aggregate: 'max', aggregateCast: null, alias: 'last' },
          { name: 'name', aggregate: null, aggregateCast: null, alias: null },
        ],
      },
    ]);
    const [ofFilms] = plan.embeds;
    expect(ofFilms?.select).toMatchObject([{ aggregate: null, alias: 'count', field: { fullRow: true } }]);
    expect(ofFilms?.embeds[0]?.select).toMatchObject([
      { aggregate: null, alias: 'last' },
      { aggregate: null },
    ]);
    expect(isGrouped(plan)).toBe(true);
  });

  test('stay in an embed that is not a spread', () => {
    const plan = planOf(
      'read',
      get('films', { query: { select: [embed('reviews', [sum()])] } }),
      films,
    ).readPlan;
    expect(plan.embeds[0]?.select).toMatchObject([{ aggregate: 'sum', aggregateCast: 'text', alias: null }]);
    expect(isGrouped(plan)).toBe(false);
  });

  test('filter groups by `having`, whose fields are looked up', () => {
    const plan = planOf(
      'read',
      get('films', { query: { select: [select('studio_id')], having: [having('id', 'count')] } }),
      films,
    ).readPlan;
    expect(plan.having).toMatchObject([
      { kind: 'leaf', leaf: { field: { name: 'id', type: 'integer' }, aggregate: 'count' } },
    ]);
  });
});

import { describe, expect, test } from 'vitest';
import { films } from './films.ts';
import { embed, get, having, order, planOf, refusalOf, select, spread } from './requests.ts';

describe('a spread of one row', () => {
  test('adds its fields to the level above by name, including those of its own embeds and spreads', () => {
    const items = [
      spread('films', [
        select('title', { alias: 'film' }),
        embed('studio_id', [select('name')], { alias: 'studio' }),
        embed('actors', []),
        spread('directors', [select('name')]),
      ]),
    ];
    const { relationSelects, embeds } = planOf(
      'read',
      get('reviews', { query: { select: items } }),
      films,
    ).readPlan;
    const named = (name: string) => ({ name, aggregate: null, aggregateCast: null, alias: null });
    expect(embeds[0]?.spread).toEqual({ kind: 'to-one' });
    expect(relationSelects).toEqual([
      {
        kind: 'spread',
        aggregateAlias: 'reviews_films_1',
        select: [named('film'), named('studio'), named('name')],
      },
    ]);
  });
});

describe('a spread of many rows', () => {
  test('is ordered inside its arrays, by columns that it selects for this purpose', () => {
    const { embeds } = planOf(
      'read',
      get('films', {
        query: {
          select: [spread('reviews', [select('*'), embed('films', [], { alias: 'film' })])],
          order: [
            { path: ['reviews'], value: [order('stars', { direction: 'desc' }), order('film(title)')] },
          ],
        },
      }),
      films,
    ).readPlan;
    expect(embeds[0]?.select.map(({ field }) => field.name)).toEqual(['id', 'film_id', 'stars']);
    expect(embeds[0]).toMatchObject({
      order: [],
      spread: {
        kind: 'to-many',
        extraSelect: [
          { alias: null, select: { field: { name: 'stars' }, alias: 'films_reviews_1_stars_1' } },
          { alias: 'reviews_film_2', select: { field: { name: 'title' }, alias: 'films_reviews_1_title_2' } },
        ],
        order: [
          { kind: 'field', field: { name: 'films_reviews_1_stars_1' }, direction: 'desc' },
          { kind: 'field', field: { name: 'films_reviews_1_title_2' }, direction: null },
        ],
      },
    });
  });

  test.each([
    ['its own', [select('stars', { aggregate: 'sum' })]],
    ['of a spread in it', [spread('films', [select('id', { aggregate: 'max' })])]],
  ] as const)('has no aggregates: %s', (_, items) => {
    expect(refusalOf(get('films', { query: { select: [spread('reviews', items)] } }), films)).toEqual({
      code: 'PGRST127',
      message: 'Feature not implemented',
      details: 'Aggregates are not implemented for one-to-many or many-to-many spreads.',
      hint: null,
    });
  });
});

test('a condition on the groups of a spread is refused', () => {
  const query = { select: [spread('directors')], having: [having('id', 'count', ['directors'])] };
  expect(refusalOf(get('films', { query }), films)).toMatchObject({
    code: 'PGRST127',
    details: "'having' is not implemented for spreads, such as 'directors'.",
  });
});

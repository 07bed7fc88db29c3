import { describe, expect, test } from 'vitest';
import type { PlannedSelect } from '../../../src/rest/plan/plan.ts';
import type { SelectItem } from '../../../src/rest/request/query.ts';
import { films } from './films.ts';
import { embed, field, get, planOf, select, spread } from './requests.ts';

function selected(name: string, items: readonly SelectItem[]): readonly PlannedSelect[] {
  return planOf('read', get(name, { query: { select: items } }), films).readPlan.select;
}

describe('a star', () => {
  test('stays, so that it shows columns that were added later', () => {
    expect(selected('films', [select('*')]).map(({ field: { name } }) => name)).toEqual(['*']);
  });

  test('is expanded where rows are grouped, and below', () => {
    const { select: top, embeds } = planOf(
      'read',
      get('directors', {
        query: { select: [select('*'), select('id', { aggregate: 'max' }), embed('countries')] },
      }),
      films,
    ).readPlan;
    expect(top.map(({ field: { name } }) => name)).toEqual(['id', 'name', 'country_id', 'id']);
    expect(embeds[0]?.select.map(({ field: { name } }) => name)).toEqual(['id', 'name']);
  });

  test('is expanded where a spread has the aggregate', () => {
    const names = selected('reviews', [select('*'), spread('films', [select('id', { aggregate: 'count' })])]);
    expect(names.map(({ field: { name } }) => name)).toEqual(['id', 'film_id', 'stars']);
  });

  test('is expanded where a column has its own representation', () => {
    expect(selected('paints', [select('*')])).toMatchObject([
      { field: { name: 'id', transform: null }, alias: null },
      { field: { name: 'name', transform: null }, alias: null },
      { field: { name: 'color', transform: '"api"."color_to_json"' }, alias: 'color' },
    ]);
  });

  test('is counted as rows: of the level itself, or of a spread', () => {
    const [count] = selected('films', [select('*', { aggregate: 'count' })]);
    expect(count).toMatchObject({ field: { name: '*', fullRow: false }, aggregate: 'count', alias: null });
    const { embeds } = planOf(
      'read',
      get('films', { query: { select: [spread('directors', [select('*', { aggregate: 'count' })])] } }),
      films,
    ).readPlan;
    expect(embeds[0]?.select).toMatchObject([{ field: { name: '*', fullRow: true }, alias: 'count' }]);
  });
});

describe('a field', () => {
  const path = (...steps: readonly (string | number)[]) => ({
    name: 'data',
    jsonPath: steps.map((step) =>
      typeof step === 'string'
        ? ({ arrow: '->', key: step } as const)
        : ({ arrow: '->>', index: step } as const),
    ),
  });

  test.each([
    ['the last key of a path', path('a', 'b'), 'b'],
    ['the last key before an index', path(1, 'a', 2), 'a'],
    ['the column where a path has no key', path(3), 'data'],
    ['only its own name without a path', field('title'), null],
  ])('is called by %s', (_, of, alias) => {
    expect(selected('films', [select('x', { field: of })])[0]?.alias).toBe(alias);
  });

  test('keeps its alias', () => {
    expect(selected('films', [select('data', { field: path('a'), alias: 'mine' })])[0]?.alias).toBe('mine');
  });
});

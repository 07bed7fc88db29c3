import { describe, expect, test } from 'vitest';
import { films } from './films.ts';
import { embed, filter, get, order, planOf, refusalOf, select, write } from './requests.ts';

const aliased = [
  select('*'),
  embed('directors', [embed('countries')], { alias: 'made_by' }),
  embed('reviews'),
];

describe('a parameter about an embed', () => {
  test("is put at the embed's level, however deep", () => {
    const { readPlan } = planOf(
      'read',
      get('films', {
        query: {
          select: aliased,
          filters: [filter('made_by.countries.name', 'Chile'), filter('title', 'No')],
          order: [{ path: ['reviews'], value: [order('stars')] }],
          ranges: [{ path: ['reviews'], value: { offset: 1, limit: 2 } }],
          logic: [
            {
              path: ['reviews'],
              value: {
                kind: 'group',
                negated: true,
                operator: 'or',
                members: [{ kind: 'leaf', leaf: filter('stars').value }],
              },
            },
          ],
        },
      }),
      films,
    );
    const [reviews, directors] = readPlan.embeds;
    expect(readPlan.where).toHaveLength(1);
    expect(directors?.embeds[0]?.where).toMatchObject([{ leaf: { field: { name: 'name' } } }]);
    expect(reviews).toMatchObject({
      order: [{ kind: 'field', field: { name: 'stars' } }],
      range: { offset: 1, limit: 2 },
      where: [{ kind: 'group', negated: true, operator: 'or' }],
    });
  });

  test('is refused when the relation is not embedded', () => {
    const asked = get('films', { query: { select: aliased, filters: [filter('studios.name')] } });
    expect(refusalOf(asked, films)).toEqual({
      code: 'PGRST108',
      message: "'studios' is not an embedded resource in this request",
      details: null,
      hint: "Verify that 'studios' is included in the 'select' query parameter.",
    });
  });

  test('may name the relation in place of its alias, which the plan notes', () => {
    const said = (name: string) => get('films', { query: { select: aliased, filters: [filter(name)] } });
    const [byName] = planOf('read', said('directors.name'), films).readPlan.embeds;
    const [byAlias] = planOf('read', said('made_by.name'), films).readPlan.embeds;
    expect(byName).toMatchObject({ alias: 'made_by', legacyTargetName: true, where: [{ kind: 'leaf' }] });
    expect(byAlias).toMatchObject({ alias: 'made_by', legacyTargetName: false, where: [{ kind: 'leaf' }] });
  });

  test('must name the alias where legacy names are off', () => {
    const asked = get('films', { query: { select: aliased, filters: [filter('directors.name')] } });
    expect(refusalOf(asked, films, { legacyTargetNames: false })).toEqual({
      code: 'PGRST108',
      message: "'directors' is not an embedded resource in this request",
      details: 'Target names are not allowed in filters if they have an alias',
      hint: "Change 'directors' to 'made_by' in filters, orders or limits.",
    });
  });

  test('is ignored in ranges of a write, and as a filter does not limit the rows that are written', () => {
    const { readPlan, mutatePlan } = planOf(
      'mutate',
      write('delete', 'films', {
        query: {
          select: aliased,
          filters: [filter('id'), filter('reviews.stars')],
          ranges: [{ path: ['nothing'], value: { offset: 0, limit: 1 } }],
        },
        topRange: { offset: 0, limit: 1 },
      }),
      films,
      { maxRows: 1 },
    );
    expect(readPlan).toMatchObject({ where: [], range: { offset: 0, limit: null } });
    expect(readPlan.embeds[0]).toMatchObject({
      name: 'reviews',
      where: [{ leaf: { field: { name: 'stars' } } }],
    });
    expect(mutatePlan.kind === 'delete' && mutatePlan.where).toMatchObject([
      { leaf: { field: { name: 'id' } } },
    ]);
  });

  test('sets the order once, by the first that is given', () => {
    const orders = [
      { path: [], value: [order('title')] },
      { path: [], value: [order('id')] },
    ];
    const { readPlan } = planOf('read', get('films', { query: { order: orders } }), films);
    expect(readPlan.order).toMatchObject([{ field: { name: 'title' } }]);
  });
});

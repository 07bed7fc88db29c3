import { representationKey } from '../../../src/schema-cache/schema-cache.ts';
import { catalog, column, computed, foreignKey, manyToMany, routine, rowsOf, table } from './catalog.ts';

/** The catalog that most planner tests use: films, with the relationships that lead to and from them. */
export const films = catalog({
  tables: [
    table('films', [
      column('title'),
      column('director_id', 'integer'),
      column('studio_id', 'integer'),
      column('lent_by_id', 'integer'),
      column('data', 'jsonb'),
      column('tags', 'text[]'),
      column('search', 'tsvector'),
    ]),
    table('directors', [column('name'), column('country_id', 'integer')]),
    table('countries', [column('name')]),
    table('studios', [column('name')]),
    table('actors', [column('name')]),
    table('reviews', [column('film_id', 'integer'), column('stars', 'integer')]),
    table('technical_specs', [column('film_id', 'integer'), column('runtime', 'interval')]),
    table('categories', [column('name'), column('parent_id', 'integer')]),
    table('paints', [column('name'), column('color', 'integer', { nominalType: 'api.color' })]),
    table('pivots', [], {
      primaryKey: [],
      insertable: false,
      updatable: false,
      deletable: false,
      isView: true,
    }),
  ],
  relationships: [
    ...foreignKey('films', 'directors', [['director_id', 'id']]),
    ...foreignKey('directors', 'countries', [['country_id', 'id']]),
    ...foreignKey('films', 'studios', [['studio_id', 'id']]),
    ...foreignKey('films', 'studios', [['lent_by_id', 'id']]),
    ...foreignKey('reviews', 'films', [['film_id', 'id']]),
    ...foreignKey('technical_specs', 'films', [['film_id', 'id']], { kind: 'one-to-one' }),
    ...foreignKey('categories', 'categories', [['parent_id', 'id']]),
    manyToMany('films', 'roles', 'actors'),
    manyToMany('actors', 'roles', 'films'),
    computed('similar_films', 'films', 'films'),
  ],
  routines: [
    routine('all_films', [], { returns: rowsOf('films'), volatility: 'stable' }),
    routine('clear_films', [], {
      returns: { ...routine('x').returns, type: { schema: 'pg_catalog', name: 'void' } },
    }),
  ],
  representations: [
    [representationKey('api.color', 'json'), '"api"."color_to_json"'],
    [representationKey('text', 'api.color'), '"api"."color_from_text"'],
    [representationKey('json', 'api.color'), '"api"."color_from_json"'],
  ],
});

import { describe, expect, test } from 'vitest';
import { findRelationship } from '../../../src/rest/plan/find-relationship.ts';
import { api, catalog, computed, foreignKey, manyToMany, table } from './catalog.ts';
import { films } from './films.ts';
import { embed, get, refusalOf } from './requests.ts';

function found(origin: string, target: string, hint: string | null = null, cache = films) {
  return findRelationship(cache, { schema: 'api', origin, target, hint });
}

describe('an embed is found', () => {
  test('by the name of its table, in both directions of a foreign key', () => {
    expect(found('films', 'directors')).toMatchObject({ cardinality: { kind: 'many-to-one' } });
    expect(found('directors', 'films')).toMatchObject({ cardinality: { kind: 'one-to-many' } });
    expect(found('technical_specs', 'films')).toMatchObject({ cardinality: { kind: 'one-to-one' } });
    expect(found('films', 'actors')).toMatchObject({ cardinality: { kind: 'many-to-many' } });
  });

  test.each(['films_studio_id_fkey', 'studio_id'])('by the foreign key or its column: %s', (target) => {
    expect(found('films', target)).toMatchObject({ cardinality: { constraint: 'films_studio_id_fkey' } });
  });

  test('but not by the foreign key where it leads to a view', () => {
    const [there] = foreignKey('films', 'studios', [['studio_id', 'id']]);
    if (there?.kind !== 'foreign-key') throw new Error('no foreign key');
    const cache = catalog({ relationships: [{ ...there, foreignTableIsView: true }] });
    expect(found('films', 'studios', null, cache)).toMatchObject({ foreignTable: api('studios') });
    expect(() => found('films', 'studio_id', null, cache)).toThrow("between 'films' and 'studio_id'");
  });

  test.each([
    ['the foreign key', 'films', 'studios', 'films_lent_by_id_fkey'],
    ['a column of the origin', 'films', 'studios', 'lent_by_id'],
    ['a column of the target', 'studios', 'films', 'lent_by_id'],
  ])('by a hint: %s', (_, origin, target, hint) => {
    expect(found(origin, target, hint)).toMatchObject({
      cardinality: { constraint: 'films_lent_by_id_fkey' },
    });
  });

  test('by a hint: the junction', () => {
    const cache = catalog({
      relationships: [manyToMany('films', 'roles', 'actors'), manyToMany('films', 'stunts', 'actors')],
    });
    expect(found('films', 'actors', 'stunts', cache)).toMatchObject({
      cardinality: { junction: { table: api('stunts') } },
    });
  });

  test('by the name of a computed relationship, whatever the hint', () => {
    expect(found('films', 'similar_films')).toMatchObject({ kind: 'computed' });
    expect(found('films', 'similar_films', 'anything')).toMatchObject({ kind: 'computed' });
  });

  test('in a table that refers to itself: the many by its name, the one by the column', () => {
    expect(found('categories', 'categories')).toMatchObject({ cardinality: { kind: 'one-to-many' } });
    expect(found('categories', 'parent_id')).toMatchObject({ cardinality: { kind: 'many-to-one' } });
    expect(found('categories', 'categories', 'parent_id')).toMatchObject({
      cardinality: { kind: 'one-to-many' },
    });
    expect(() => found('categories', 'categories', 'id')).toThrow('Could not find a relationship');
  });
});

describe('an embed is refused', () => {
  test('without a relationship, with a likelier target', () => {
    expect(refusalOf(get('films', { query: { select: [embed('director')] } }), films)).toEqual({
      code: 'PGRST200',
      message: "Could not find a relationship between 'films' and 'director' in the schema cache",
      details:
        "Searched for a foreign key relationship between 'films' and 'director' in the schema 'api', " +
        'but no matches were found.',
      hint: "Perhaps you meant 'directors' instead of 'director'.",
    });
  });

  test('when the origin has no relationship, with a likelier origin', () => {
    const cache = catalog({
      tables: [table('film')],
      relationships: foreignKey('films', 'directors', [['director_id', 'id']]),
    });
    expect(refusalOf(get('film', { query: { select: [embed('directors')] } }), cache)).toMatchObject({
      code: 'PGRST200',
      hint: "Perhaps you meant 'films' instead of 'film'.",
    });
  });

  test('when only a table of the same name in another schema has the relationship, without naming it', () => {
    const [there] = foreignKey('films', 'directors', [['director_id', 'id']]);
    if (there === undefined) throw new Error('no foreign key');
    const cache = catalog({
      tables: [table('films')],
      relationships: [{ ...there, table: { schema: 'other', name: 'films' } }],
    });
    expect(refusalOf(get('films', { query: { select: [embed('directors')] } }), cache)).toMatchObject({
      code: 'PGRST200',
      hint: null,
    });
  });

  test('with a wrong hint, which it names, without a guess at the table', () => {
    const asked = get('films', { query: { select: [embed('directors', [], { hint: 'nothing' })] } });
    expect(refusalOf(asked, films)).toEqual({
      code: 'PGRST200',
      message: "Could not find a relationship between 'films' and 'directors' in the schema cache",
      details:
        "Searched for a foreign key relationship between 'films' and 'directors' using the hint 'nothing' " +
        "in the schema 'api', but no matches were found.",
      hint: null,
    });
  });

  test('when no name is similar, without a hint', () => {
    expect(refusalOf(get('films', { query: { select: [embed('zebra')] } }), films)).toMatchObject({
      code: 'PGRST200',
      hint: null,
    });
  });

  test('when several relationships fit, all of which it lists', () => {
    expect(refusalOf(get('films', { query: { select: [embed('studios')] } }), films)).toEqual({
      code: 'PGRST201',
      message: "Could not embed because more than one relationship was found for 'films' and 'studios'",
      details: [
        {
          cardinality: 'many-to-one',
          embedding: 'films with studios',
          relationship: 'films_studio_id_fkey using films(studio_id) and studios(id)',
        },
        {
          cardinality: 'many-to-one',
          embedding: 'films with studios',
          relationship: 'films_lent_by_id_fkey using films(lent_by_id) and studios(id)',
        },
      ],
      hint:
        "Try changing 'studios' to one of the following: 'studios!films_studio_id_fkey', " +
        "'studios!films_lent_by_id_fkey'. Find the desired relationship in the 'details' key.",
    });
  });

  test('when several junctions fit, which it describes by both foreign keys', () => {
    const cache = catalog({
      tables: [table('films')],
      relationships: [
        manyToMany('films', 'roles', 'actors'),
        manyToMany('films', 'stunts', 'actors'),
        computed('actors', 'films', 'actors'),
      ],
    });
    const refusal = refusalOf(get('films', { query: { select: [embed('actors')] } }), cache);
    expect(refusal.details).toContainEqual({
      cardinality: 'many-to-many',
      embedding: 'films with actors',
      relationship: 'roles using roles_films_fkey(films_id) and roles_actors_fkey(actors_id)',
    });
    expect(refusal.hint).toContain("'actors!roles', 'actors!stunts'");
  });
});

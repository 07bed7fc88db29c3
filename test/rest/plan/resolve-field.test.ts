import { describe, expect, test } from 'vitest';
import { fieldResolver } from '../../../src/rest/plan/resolve-field.ts';
import type { Operation } from '../../../src/rest/request/query.ts';
import { api } from './catalog.ts';
import { films } from './films.ts';
import { field } from './requests.ts';

const ofFilms = fieldResolver(films, api('films'));
const ofPaints = fieldResolver(films, api('paints'));
const search: Operation = { kind: 'fts', operator: 'wfts', language: 'german', value: 'wolke' };
const equal: Operation = { kind: 'quantified', operator: 'eq', quantifier: null, value: { placeholder: 0 } };

describe('a field', () => {
  test.each([
    ['data', false],
    ['tags', true],
    ['title', true],
    ['computed_field', true],
  ])('%s needs to_jsonb for a path into it: %s', (name, toJson) => {
    expect(ofFilms.plain(field(name, 'key'))).toMatchObject({ name, toJson, jsonPath: [{ key: 'key' }] });
  });

  test('that the catalog lacks is left to Postgres', () => {
    expect(ofFilms.plain(field('computed_field'))).toMatchObject({ type: '', baseType: '', transform: null });
    expect(fieldResolver(films, api('nothing')).plain(field('id'))).toMatchObject({ type: '' });
  });

  test.each([
    ['title', { language: 'german' }],
    ['search', null],
    ['computed_field', null],
  ])('%s is searched through to_tsvector: %j', (name, toTsVector) => {
    expect(ofFilms.filtered(field(name), { negated: false, operation: search }).toTsVector).toEqual(
      toTsVector,
    );
  });

  test('of a domain is shown, read from a filter and read from json by its functions', () => {
    expect(ofPaints.selected(field('color'))).toMatchObject({
      type: 'api.color',
      baseType: 'integer',
      transform: '"api"."color_to_json"',
    });
    expect(ofPaints.filtered(field('color'), { negated: false, operation: equal })).toMatchObject({
      type: 'text',
      transform: '"api"."color_from_text"',
      toTsVector: null,
    });
    expect(ofPaints.written('color')).toMatchObject({ type: 'json', transform: '"api"."color_from_json"' });
    expect(ofPaints.plain(field('color')).transform).toBeNull();
  });

  test('that is written must be a column', () => {
    expect(ofPaints.written('name')).toMatchObject({ type: 'text', transform: null });
    expect(ofPaints.written('computed_field')).toBeNull();
  });
});

import { describe, expect, test } from 'vitest';
import { looseScore, nameIndex, similarNames, strictScore } from '../../../src/rest/plan/did-you-mean.ts';

describe('similarNames', () => {
  test('finds a name without its ending', () => {
    expect(similarNames(nameIndex(['directors', 'films']), 'film', strictScore)).toEqual([
      { score: 0.8, name: 'films' },
    ]);
  });

  test('ranks by edit distance, then by common runs, and leaves out names that are not similar enough', () => {
    const names = ['actor_roles', 'actor', 'actors'];
    expect(similarNames(nameIndex(names), 'actorz', looseScore).map(({ name }) => name)).toEqual([
      'actor',
      'actors',
      'actor_roles',
    ]);
    expect(similarNames(nameIndex(names), 'actorz', strictScore).map(({ name }) => name)).toEqual([
      'actor',
      'actors',
    ]);
  });

  test('treats names that differ only in case as equal, and returns the name as it is written', () => {
    expect(similarNames(nameIndex(['Films']), 'fILMS', strictScore)).toEqual([{ score: 1, name: 'Films' }]);
  });

  test('finds short names by runs of two characters', () => {
    expect(similarNames(nameIndex(['ab']), 'xab', looseScore)).toEqual([{ score: 1 - 1 / 3, name: 'ab' }]);
  });

  test('needs a common run of characters, however close the names are', () => {
    expect(similarNames(nameIndex(['xaxbx']), 'yayby', looseScore)).toEqual([]);
  });

  test('takes the last of equally similar names', () => {
    expect(similarNames(nameIndex(['film1', 'film2']), 'film', looseScore).map(({ name }) => name)).toEqual([
      'film2',
      'film1',
    ]);
  });

  test('compares whole lists of parameters, with their commas', () => {
    expect(similarNames(nameIndex(['(attr, id)', '(name, val)']), '(attrs, id)', looseScore)[0]?.name).toBe(
      '(attr, id)',
    );
  });

  test('finds nothing for an empty name or an empty catalog', () => {
    expect(similarNames(nameIndex(['films']), '', looseScore)).toEqual([]);
    expect(similarNames(nameIndex([]), 'films', looseScore)).toEqual([]);
  });

  test('does not work on a name of megabytes', () => {
    const started = performance.now();
    expect(similarNames(nameIndex(['films', 'directors']), 'film'.repeat(500_000), looseScore)).toEqual([]);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

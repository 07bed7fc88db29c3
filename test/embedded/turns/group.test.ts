import { expect, test } from 'vitest';
import { groupOf, untouched } from '../../../src/embedded/turns/group.ts';

test('what the engine has to listen on comes before a checkpoint: what is behind a slow one is taken back', () => {
  const { items } = groupOf([], {
    loaded: untouched,
    engineNumber: 1,
    staleStatements: [],
    channels: ['listen "jobs"'],
    checkpoint: true,
  });
  expect(items.map(({ purpose }) => purpose)).toEqual(['tidy', 'checkpoint']);
});

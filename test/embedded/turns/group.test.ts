import { expect, test } from 'vitest';
import { groupOf, untouched } from '../../../src/embedded/turns/group.ts';

test("the engine's LISTEN comes before a checkpoint, because items behind a slow one are taken back", () => {
  const { items } = groupOf([], {
    loaded: untouched,
    engineNumber: 1,
    staleStatements: [],
    channels: ['listen "jobs"'],
    checkpoint: true,
  });
  expect(items.map(({ purpose }) => purpose)).toEqual(['tidy', 'checkpoint']);
});

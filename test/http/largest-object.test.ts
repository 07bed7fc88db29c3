import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { keysOfLargestObject } from '../../src/http/largest-object.ts';

/** The same count, by parsing. */
function largest(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Math.max(own, ...Object.values(value).map(largest));
}

test('counts the keys of the largest object as parsing does', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(keysOfLargestObject(JSON.stringify(value))).toBe(largest(value));
      expect(keysOfLargestObject(JSON.stringify(value, null, 2))).toBe(largest(value));
    }),
  );
});

test.each([
  ['', 0],
  ['3', 0],
  ['"{\\"a\\": 1}"', 0],
  ['[{"a": 1}, {"b": 1, "c": [":", {}]}]', 2],
  ['{"a": "\\\\", "a": "\\":"}', 2],
  ['{"a": "no end', 1],
  [']]]{"a":1', 1],
])('%j has %i', (text, count) => {
  expect(keysOfLargestObject(text)).toBe(count);
});

import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { BoundedMap } from '../src/bounded-map.ts';

test('a used entry outlives an unused one', () => {
  const map = new BoundedMap<string, number>(2);
  map.set('a', 1);
  map.set('b', 2);
  expect(map.get('a')).toBe(1);
  map.set('c', 3);
  expect([map.get('a'), map.get('b'), map.get('c')]).toEqual([1, undefined, 3]);
  expect(map.counts).toEqual({ requests: 4, hits: 3, evictions: 1 });
});

test('a map of size zero keeps nothing', () => {
  const map = new BoundedMap<string, number>(0);
  map.set('a', 1);
  expect([map.get('a'), map.size]).toEqual([undefined, 0]);
});

test('it never exceeds its size, and always has the last value of a key', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('get', 'set', 'delete'), fc.integer({ min: 0, max: 9 })));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), steps, (size, taken) => {
      const map = new BoundedMap<number, number>(size);
      const last = new Map<number, number>();
      for (const [i, [step, key]] of taken.entries()) {
        if (step === 'set') {
          map.set(key, i);
          last.set(key, i);
        } else if (step === 'delete') {
          map.delete(key);
          last.delete(key);
        }
        expect([undefined, last.get(key)]).toContain(map.get(key));
        expect(map.size).toBeLessThanOrEqual(size);
      }
    }),
  );
});

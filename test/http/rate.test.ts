import { expect, test } from 'vitest';
import { Rate, Tally } from '../../src/http/rate.ts';

/** How many of the requests are let through that a key sends at these moments. */
function taken(rate: Rate, key: string, moments: readonly number[]): number {
  return moments.filter((now) => rate.take(key, now)).length;
}

/** So many moments, evenly over a time. */
const spread = (count: number, fromMs: number, overMs: number) =>
  Array.from({ length: count }, (_, i) => fromMs + (i * overMs) / count);

test('a rate lets two seconds of requests through at once, and then its rate', () => {
  const rate = new Rate(100);
  expect(taken(rate, 'a', spread(1_000, 10_000, 0))).toBe(200);
  expect(taken(rate, 'b', spread(10, 10_000, 0))).toBe(10);
  expect(taken(rate, 'a', spread(10_000, 10_000, 10_000))).toBeGreaterThanOrEqual(990);
  const later = new Rate(100);
  expect(taken(later, 'a', spread(10_000, 10_000, 10_000))).toBeLessThanOrEqual(1_201);
});

test('whoever keeps to the rate is never refused, however long', () => {
  const rate = new Rate(100);
  expect(taken(rate, 'a', spread(6_000, 0, 60_000))).toBe(6_000);
});

test('no limit is no limit', () => {
  expect(taken(new Rate(0), 'a', spread(10_000, 0, 0))).toBe(10_000);
  const tally = new Tally(0);
  expect(Array.from({ length: 1_000 }, () => tally.enter('a')).every(Boolean)).toBe(true);
});

test('a million addresses take no more memory than some', () => {
  const rate = new Rate(1);
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 1_000_000; i++) rate.take(`2001:db8:${i >> 16}:${i & 0xffff}::/64`, 1_000);
  expect((process.memoryUsage().heapUsed - before) / 1_048_576).toBeLessThan(150);
});

test('a tally counts each key for itself, and takes back what leaves', () => {
  const tally = new Tally(2);
  expect([tally.enter('a'), tally.enter('a'), tally.enter('a'), tally.enter('b')]).toEqual([
    true,
    true,
    false,
    true,
  ]);
  tally.leave('a');
  expect([tally.enter('a'), tally.enter('a')]).toEqual([true, false]);
});

test('another limit holds from then on, and what was counted stays counted', () => {
  const rate = new Rate(0);
  rate.limit(1);
  // Two seconds' worth may come at once.
  expect(taken(rate, 'a', spread(10, 0, 0))).toBe(2);
  rate.limit(0);
  expect(taken(rate, 'a', spread(10, 0, 0))).toBe(10);
  const tally = new Tally(0);
  expect([tally.enter('a'), tally.enter('a')]).toEqual([true, true]);
  tally.limit(2);
  expect(tally.enter('a')).toBe(false);
  tally.leave('a');
  expect(tally.enter('a')).toBe(true);
});

import { describe, expect, test } from 'vitest';
import type { Turn } from './measure.ts';
import { percentile, spreadOf, summarise } from './report.ts';

describe('a spread', () => {
  test.each([
    [[3], { median: 3, min: 3, max: 3 }],
    [[9, 1, 2], { median: 2, min: 1, max: 9 }],
    [[4, 1, 2, 3], { median: 2.5, min: 1, max: 4 }],
  ])('of %j is %j', (values, spread) => {
    expect(spreadOf(values)).toEqual(spread);
  });

  test('of no values is not a number', () => {
    expect(spreadOf([])).toEqual({ median: NaN, min: NaN, max: NaN });
  });
});

describe('a percentile', () => {
  test('is one of the values, whatever their order', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(percentile(hundred, 0.99)).toBe(99);
    expect(percentile(hundred, 1)).toBe(100);
    expect(percentile([7], 0.99)).toBe(7);
    expect(percentile([], 0.99)).toBeNaN();
  });
});

describe('a summary', () => {
  const turn = (opponent: Turn['opponent'], round: number, requestsPerSecond: number): Turn => ({
    scenario: 'get',
    opponent,
    round,
    requestsPerSecond,
    latencies: [round],
    answers: 10,
    errors: 0,
    rowsChanged: 0,
    rowsAudited: 0,
    problem: null,
  });

  test('compares rounds pair by pair in any order, and leaves the warm-up out', () => {
    const turns = [
      turn('Agent Lightning REST', 0, 1),
      turn('plain PostGraphile', 0, 1000),
      // The machine was twice as fast in round 2; the ratio of the medians would hide that nothing else changed.
      turn('plain PostGraphile', 2, 200),
      turn('Agent Lightning REST', 1, 150),
      turn('plain PostGraphile', 1, 100),
      turn('Agent Lightning REST', 2, 300),
      turn('node:http + pg', 1, 300),
      turn('node:http + pg', 2, 400),
    ];
    const { opponents, ratios } = summarise('get', turns);
    expect(ratios.filter(({ of }) => of === 'Agent Lightning REST')).toEqual([
      { of: 'Agent Lightning REST', to: 'node:http + pg', ratio: { median: 0.625, min: 0.5, max: 0.75 } },
      { of: 'Agent Lightning REST', to: 'plain PostGraphile', ratio: { median: 1.5, min: 1.5, max: 1.5 } },
    ]);
    expect(opponents.find(({ opponent }) => opponent === 'Agent Lightning REST')).toMatchObject({
      requestsPerSecond: { median: 225, min: 150, max: 300 },
      p99: 2,
      answers: 20,
    });
  });
});

import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { endAll } from '../src/ending.ts';

const never = () => new Promise<void>(() => {});

test('the working parts end at once, and then what they stand on, in reverse order', async () => {
  const ended: string[] = [];
  const part = (name: string, ms: number) => ({
    name,
    end: async () => {
      await pause(ms);
      ended.push(name);
    },
  });
  const unfinished = await endAll(
    1_000,
    [part('slow', 40), part('quick', 0)],
    [part('house', 0), part('floor', 0)],
  );
  expect(unfinished).toEqual([]);
  expect(ended).toEqual(['quick', 'slow', 'floor', 'house']);
});

test('one limit holds for all of it, and the parts that fail or take too long are named', async () => {
  const began = performance.now();
  const unfinished = await endAll(
    300,
    [{ name: 'the worker', end: never }],
    [
      { name: 'the database', end: never },
      { name: 'the cache', end: () => Promise.reject(new Error('it is broken')) },
    ],
  );
  expect(performance.now() - began).toBeLessThan(300 + 200);
  expect(unfinished).toEqual([
    'the worker did not end in time',
    'the cache ended with: it is broken',
    'the database did not end in time',
  ]);
});

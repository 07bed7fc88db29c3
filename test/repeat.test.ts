import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { repeat } from '../src/repeat.ts';

test('runs at once and repeatedly, never two at a time, and survives a failure', async () => {
  let [runs, atOnce, most] = [0, 0, 0];
  const errors: unknown[] = [];
  const repeating = repeat(
    async () => {
      runs += 1;
      atOnce += 1;
      most = Math.max(most, atOnce);
      await sleep(5);
      atOnce -= 1;
      if (runs === 2) throw new Error('the second');
    },
    1,
    (error) => errors.push(error),
  );
  expect(runs).toBe(1);
  await expect.poll(() => runs, { interval: 1 }).toBeGreaterThan(4);
  await repeating.stop();
  expect(most).toBe(1);
  expect(errors).toEqual([new Error('the second')]);
});

test('stop waits for the current run, and no other follows', async () => {
  let [begun, ended] = [0, 0];
  const repeating = repeat(
    async () => {
      begun += 1;
      await sleep(20);
      ended += 1;
    },
    1,
    () => {},
  );
  await repeating.stop();
  expect([begun, ended]).toEqual([1, 1]);
  await sleep(30);
  expect(begun).toBe(1);
});

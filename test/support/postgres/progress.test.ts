import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { withProgress } from './progress.ts';

test('work of less than two seconds is silent', async () => {
  const lines: string[] = [];
  expect(
    await withProgress(
      (line) => lines.push(line),
      'counting',
      async () => 7,
    ),
  ).toBe(7);
  expect(lines).toEqual([]);
});

test('longer work is announced after two seconds, and so is its end', async () => {
  const lines: string[] = [];
  await withProgress(
    (line) => lines.push(line),
    'counting',
    () => sleep(2_300),
  );
  expect(lines).toEqual(['counting ...', 'counting: done in 2 s']);
});

import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { ProgressDisplay } from '../../src/import/progress.ts';

const display = (isTTY: boolean) => {
  const stream = Object.assign(new PassThrough(), { isTTY });
  let now = 0;
  const shown = new ProgressDisplay(stream, () => now);
  return {
    at: (ms: number, done: number) => {
      now = ms;
      shown.show({ done, total: 100, file: 'f.json' });
      return String(stream.read() ?? '');
    },
    end: () => shown.end(),
  };
};

it('prints nothing about work of less than two seconds', () => {
  const { at } = display(false);
  expect([at(0, 1), at(1_999, 50)]).toEqual(['', '']);
});

it('prints a line now and then without a terminal', () => {
  const { at } = display(false);
  expect([at(2_000, 10), at(2_100, 20), at(7_000, 60)]).toEqual([
    '10 of 100 items (f.json)\n',
    '',
    '60 of 100 items, 7.1 a second, 6 s left (f.json)\n',
  ]);
});

it('says how many a second there are and how long the rest takes', () => {
  const { at } = display(false);
  at(0, 0);
  expect([at(4_000, 80), at(9_000, 81)]).toEqual([
    '80 of 100 items, 20 a second, 1 s left (f.json)\n',
    '81 of 100 items, 9.0 a second, 3 s left (f.json)\n',
  ]);
  expect(at(800_000, 82)).toContain('0.1 a second, 3 min left');
});

it('draws a bar on a terminal', () => {
  const { at, end } = display(true);
  try {
    at(0, 1);
    expect(at(2_000, 10)).toContain('10 of 100 items');
  } finally {
    end();
  }
});

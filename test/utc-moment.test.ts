import { expect, test } from 'vitest';
import { utcMoment } from '../src/utc-moment.ts';

test('a moment of the calendar is read as it stands, in early years, too', () => {
  expect(utcMoment([2028, 2, 29, 23, 59, 59])).toEqual(new Date('2028-02-29T23:59:59Z'));
  expect(utcMoment([33, 4, 3, 0, 0, 0])).toEqual(new Date('0033-04-03T00:00:00Z'));
});

test.each([
  [[2026, 11, 31, 0, 0, 0]],
  [[2026, 2, 29, 0, 0, 0]],
  [[2026, 13, 1, 0, 0, 0]],
  [[2026, 0, 1, 0, 0, 0]],
  [[2026, 11, 29, 24, 0, 0]],
  [[2026, 11, 29, 23, 60, 0]],
  [[2026, 11, 29, 23, 59, 60]],
  [[Number.NaN, 11, 29, 0, 0, 0]],
])('%j does not exist', (parts) => {
  expect(utcMoment(parts)).toBeNull();
});

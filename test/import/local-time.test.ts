import { describe, expect, it } from 'vitest';
import { isOffset, legacyInstant } from '../../src/import/local-time.ts';

it.each([
  ['2025-09-02T14:30:50.123456', '2025-09-02T12:30:50.123Z'],
  ['2025-01-01 00:15:00', '2024-12-31T22:15:00.000Z'],
  ['2024-02-29T12:00', '2024-02-29T10:00:00.000Z'],
  ['2025-09-02T14:30:50Z', '2025-09-02T14:30:50.000Z'],
  ['2025-09-02T14:30:50.5-0530', '2025-09-02T20:00:50.500Z'],
])('%s is %s', (text, utc) => {
  expect(new Date(legacyInstant(text)?.text ?? '').toISOString()).toBe(utc);
});

it.each([
  '',
  'yesterday',
  '2025-09-02',
  '2025-02-29T00:00:00',
  '2025-13-01T00:00:00',
  '2025-01-01T24:00:00',
  '2025-01-01T23:59:60',
  '0000-01-01T00:00:00',
  '2025-01-01T00:00:00+16:00',
  '2025-01-01T00:00:00+02:60',
])('%j is not a time', (text) => {
  expect(legacyInstant(text)).toBeNull();
});

it('tells whether Postgres would round a time', () => {
  expect(legacyInstant('2025-01-01T00:00:00.123456')?.exact).toBe(true);
  expect(legacyInstant('2025-01-01T00:00:00.123456000')?.exact).toBe(true);
  expect(legacyInstant('2025-01-01T00:00:00.1234567')?.exact).toBe(false);
});

describe('an offset', () => {
  it.each([
    ['+02:00', true],
    ['-11:30', true],
    ['2', false],
    ['+15:00', false],
    ['Europe/Berlin', false],
  ])('%s: %s', (text, is) => {
    expect(isOffset(text)).toBe(is);
  });
});

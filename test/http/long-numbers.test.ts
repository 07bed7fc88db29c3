import { describe, expect, it } from 'vitest';
import { printsTooLong } from '../../src/http/long-numbers.ts';

const list = (number: string, length: number) => `[${Array(length).fill(number).join(',')}]`;

describe('JSON whose numbers print in more than forty million characters', () => {
  it.each([
    ['large', list('1e131071', 306)],
    ['negative', list('-1E+131071', 306)],
    ['small', list('1e-16383', 2_442)],
    ['beyond every number', list('1e999999999', 306)],
    ['behind strings', `{"a":"${'x'.repeat(1_000)}\\"","b":${list('1e131071', 306)}}`],
  ])('is found: %s', (_name, text) => {
    expect(printsTooLong(text)).toBe(true);
  });

  it.each([
    ['fewer', list('1e131071', 305)],
    ['short', list('1e400', 100_000)],
    ['in a string', JSON.stringify({ a: list('1e131071', 1_000) })],
    ['the digits of hashes in strings', JSON.stringify({ a: '3e99999f'.repeat(10_000) })],
    ['a string without an end', `"${list('1e131071', 1_000)}`],
  ])('is not: %s', (_name, text) => {
    expect(printsTooLong(text)).toBe(false);
  });
});

import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { orderedDigest, unorderedDigest } from '../../src/export/line-digest.ts';

const of = (make: typeof orderedDigest, ...pieces: string[]): string => {
  const digest = make();
  for (const piece of pieces) digest.add(Buffer.from(piece));
  return digest.digest();
};

test('lines in their order have the SHA-256 of the file', () => {
  expect(of(orderedDigest, 'a\n', 'b\nc\n')).toBe(createHash('sha256').update('a\nb\nc\n').digest('hex'));
});

test('lines in any order have one digest, however they come, and a line more, less, twice or changed has another', () => {
  const whole = of(unorderedDigest, 'a\nb\nc\n');
  expect(whole).toMatch(/^[0-9a-f]{64}$/);
  expect(of(unorderedDigest, 'c\n', 'a\nb\n')).toBe(whole);
  for (const other of ['a\nb\n', 'a\nb\nc\nc\n', 'a\na\nb\nc\n', 'a\nb\nd\n', 'ab\nc\n', ''])
    expect(of(unorderedDigest, other), other).not.toBe(whole);
});

import { expect, test } from 'vitest';
import { positionOf } from '../../src/live/position.ts';
import type { Position } from '../../src/live/position.ts';
import { makePositionSeal } from '../../src/live/sealed-position.ts';

const seal = makePositionSeal([Buffer.from('a secret')]);
const position: Position = {
  snapshot: { end: 8_120_000_000, running: [8_050_000_000, 8_100_000_000] },
  partial: { transaction: 8_100_000_000, id: 7, keys: 2 },
};

test('only a holder of the secret opens a sealed position', () => {
  expect(makePositionSeal([Buffer.from('a secret')]).open(seal.seal(position))).toEqual(position);
  expect(makePositionSeal([Buffer.from('another')]).open(seal.seal(position))).toBeNull();
});

test('a position that was sealed before a rotation is opened while the former secret is one of the secrets', () => {
  const [former, next] = [Buffer.from('a secret'), Buffer.from('another')];
  expect(makePositionSeal([next, former]).open(seal.seal(position))).toEqual(position);
  expect(seal.open(makePositionSeal([next, former]).seal(position))).toBeNull();
});

test('a sealed position reveals nothing: never the same twice, and equally long for any number of transactions', () => {
  const ids = [seal.seal(position), seal.seal(position), seal.seal(positionOf({ end: 5, running: [] }))];
  expect(new Set(ids).size).toBe(3);
  expect(new Set(ids.map((id) => id.length)).size).toBe(1);
  for (const id of ids) expect(id).toMatch(/^[\w-]+$/);
});

test.each(['', 'x', '812:812:', 'A'.repeat(100), `${seal.seal(position)}AAAA`])('does not open %s', (id) => {
  expect(seal.open(id)).toBeNull();
});

test('does not open a changed seal', () => {
  const id = seal.seal(position);
  const other = id.startsWith('A') ? 'B' : 'A';
  expect(seal.open(other + id.slice(1))).toBeNull();
});

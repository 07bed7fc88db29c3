import { randomBytes } from 'node:crypto';
import { array, assert, asyncProperty, integer } from 'fast-check';
import { expect, it } from 'vitest';
import { inPieces } from '../../../src/backup/server/in-pieces.ts';

async function* chunksOf(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (const size of sizes) {
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

it('pieces hold the content of the chunks, and all but the last are full, however the chunks arrive', async () => {
  await assert(
    asyncProperty(
      array(integer({ min: 0, max: 50 }), { maxLength: 20 }),
      integer({ min: 1, max: 64 }),
      async (sizes, size) => {
        const bytes = randomBytes(sizes.reduce((sum, one) => sum + one, 0));
        const pieces: Buffer[] = [];
        for await (const piece of inPieces(chunksOf(bytes, sizes), size)) pieces.push(Buffer.from(piece));
        expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
        expect(pieces.slice(0, -1).every(({ length }) => length === size)).toBe(true);
        expect(pieces).toHaveLength(Math.ceil(bytes.length / size));
      },
    ),
  );
});

it('a piece stays as it was while the next one is filled, and the one after that takes its memory', async () => {
  const bytes = randomBytes(1_000);
  const pieces = inPieces(chunksOf(bytes, [333, 333, 334]), 100);
  const first: Buffer = (await pieces.next()).value;
  await pieces.next();
  expect(first.equals(bytes.subarray(0, 100))).toBe(true);
  await pieces.next();
  expect(first.equals(bytes.subarray(200, 300))).toBe(true);
});

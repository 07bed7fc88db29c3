import { expect, it } from 'vitest';
import { ArrayCutter } from '../../src/import/array-cutter.ts';

const texts = [
  String.raw` [ {"a":"x,]\"},","b":[1,{"c":[]}]} , [1,2],"é😀\\", null,-1.5 ] `,
  '[]',
  '[1,',
  '[1,{"a":"b',
  '[1] [2]',
  '{"a":[1,2]}',
  '',
  '  ',
];

/** What a cutter finds in bytes that arrive in pieces of this length. */
function cut(text: string, length: number): { isArray: boolean; pieces: unknown[] } {
  const cutter = new ArrayCutter();
  const bytes = Buffer.from(text);
  const pieces = [];
  for (let at = 0; at < bytes.length; at += length)
    pieces.push(...cutter.cut(bytes.subarray(at, at + length)));
  pieces.push(...cutter.end());
  return {
    isArray: cutter.isArray,
    pieces: pieces.map(({ bytes: item, ...rest }) => ({ ...rest, text: item.toString() })),
  };
}

it.each(texts)('finds the same items in %j, wherever its bytes are divided', (text) => {
  const whole = cut(text, 10_000);
  for (const length of [1, 2, 3, 7]) expect(cut(text, length)).toEqual(whole);
});

it('holds no more than the item that is not complete', () => {
  const cutter = new ArrayCutter();
  cutter.cut(Buffer.from('[1,2,{"a":'));
  expect(cutter.openBytes).toBe('{"a":'.length);
});

import { expect, it } from 'vitest';
import { CsvCutter, LineCutter } from '../../src/table-import/cutters.ts';
import type { Cutter } from '../../src/table-import/cutters.ts';

/** The records that a cutter finds in bytes that arrive in pieces of this length, each with its index. */
function cut(cutter: Cutter, text: string, length: number): unknown[] {
  const bytes = Buffer.from(text);
  const pieces = [];
  for (let at = 0; at < bytes.length; at += length)
    pieces.push(...cutter.cut(bytes.subarray(at, at + length)));
  pieces.push(...cutter.end());
  expect(cutter.openBytes).toBe(0);
  return pieces.map(({ index, bytes: record }) => [index, record.toString()]);
}

it.each([1, 2, 3, 100])('lines are records, and empty ones are none (pieces of %i bytes)', (length) => {
  expect(cut(new LineCutter(), '{"a":1}\n\n\r\n{"é":2}\r\n{}', length)).toEqual([
    [0, '{"a":1}'],
    [1, '{"é":2}\r'],
    [2, '{}'],
  ]);
  expect(cut(new LineCutter(), '', length)).toEqual([]);
});

it.each([1, 2, 3, 100])('a record of CSV ends outside of quotation marks (pieces of %i bytes)', (length) => {
  const records = ['a,b', '"x\ny","""\n"""', 'c"d,e', 'f,"unclosed\nto the end'];
  expect(cut(new CsvCutter(), records.join('\n'), length)).toEqual(
    records.map((record, i) => [i - 1, record]),
  );
});

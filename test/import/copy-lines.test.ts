import { expect, it } from 'vitest';
import { copyLines } from '../../src/import/copy-lines.ts';

it("escapes special characters of COPY's text format, and tells null from text", () => {
  const lines = Buffer.concat([...copyLines([['a\tb\nc\rd\\e', null, '', '\\N', '\\.', 'é😀']])]).toString();
  expect(lines).toBe('a\\tb\\nc\\rd\\\\e\t\\N\t\t\\\\N\t\\\\.\té😀\n');
});

it('comes in chunks', () => {
  const row = ['x'.repeat(10_000)];
  const chunks = [...copyLines(Array.from({ length: 20 }, () => row))];
  expect(chunks.length).toBeGreaterThan(1);
  expect(Buffer.concat(chunks).toString()).toBe(`${row[0]}\n`.repeat(20));
});

import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { errorCodes } from '../src/errors.ts';

test('the table of docs/graphql.md lists exactly the codes', async () => {
  const page = await readFile(new URL('../docs/graphql.md', import.meta.url), 'utf8');
  const cells = (line: string) => line.split('|').map((cell) => cell.trim());
  const written = page.split('\n').filter((line) => /^\| `[A-Z_]+` +\|/.test(line));
  const codes = Object.entries(errorCodes).map(([code, { status, meaning }]) => {
    const linked = meaning.replaceAll(/docs\/(\w+\.md)/g, '[$1]($1)');
    return `| \`${code}\` | ${status} | ${linked} |`;
  });
  expect(written.map(cells)).toEqual(codes.map(cells));
});

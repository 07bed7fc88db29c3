import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ownCodes, RestError } from '../../src/rest/errors.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

const textOf = (file: string): Promise<string> => readFile(`${root}/${file}`, 'utf8');

/** The codes of ours that files name, with those files. */
async function named(patterns: readonly string[], except: readonly string[]): Promise<Map<string, string[]>> {
  const files = globSync([...patterns], { cwd: root }).filter((file) => !except.includes(file));
  const found = await Promise.all(
    files.map(async (file) =>
      [...(await textOf(file)).matchAll(/\bLTR\d{3}\b/g)].map(([code]) => ({ code, file })),
    ),
  );
  const byCode = Map.groupBy(found.flat(), ({ code }) => code);
  return new Map([...byCode].map(([code, places]) => [code, [...new Set(places.map(({ file }) => file))]]));
}

test('the table of docs/rest.md lists exactly the codes of ours', async () => {
  const cells = (line: string) => line.split('|').map((cell) => cell.trim());
  const written = (await textOf('docs/rest.md')).split('\n').filter((line) => /^\| `LTR\d/.test(line));
  const codes = Object.entries(ownCodes).map(
    ([code, { status, meaning }]) => `| \`${code}\` | ${status} | ${meaning} |`,
  );
  expect(written.map(cells)).toEqual(codes.map(cells));
});

test('every code of ours that a source, a document or a test names is in the table, and every code in the table is used', async () => {
  const inSource = await named(['src/**/*.ts'], ['src/rest/errors.ts']);
  const elsewhere = await named(['docs/*.md', 'README.md', 'test/**/*.ts'], []);
  const known = Object.keys(ownCodes);
  expect([...inSource, ...elsewhere].filter(([code]) => !known.includes(code))).toEqual([]);
  expect(known.filter((code) => !inSource.has(code))).toEqual([]);
  // One meaning has one place: a code that two folders of src/ name would stand for two things. src/errors.ts gives a failure
  // the codes of all doors.
  const folders = [...inSource].map(
    ([code, files]) =>
      [
        code,
        new Set(files.filter((file) => file !== 'src/errors.ts').map((file) => file.split('/')[1])),
      ] as const,
  );
  expect(folders.filter(([, names]) => names.size > 1)).toEqual([]);
});

test('a code from LTR400 on is named for its status, and a RestError has the status of its code', () => {
  for (const [code, { status }] of Object.entries(ownCodes)) {
    expect(status).toBe(Math.max(400, Number(code.slice(3))));
    expect(new RestError(code as keyof typeof ownCodes, 'x').status).toBe(status);
  }
  expect(new RestError('PGRST116', 'x').status).toBe(406);
});

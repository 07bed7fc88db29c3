import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { optionsTable } from '../../src/postgrest/options-table.ts';

it('is the same in the documentation as in the code', async () => {
  const page = await readFile(new URL('../../docs/postgrest.md', import.meta.url), 'utf8');
  // Prettier pads the cells.
  const lines = (text: string) =>
    text.split('\n').map((line) => line.replaceAll(/ +|-{3,}/g, ' ').replaceAll(/ +/g, ' '));
  const written = lines(page).filter((line) => line.startsWith('|'));
  expect(written).toEqual(lines(optionsTable()));
});

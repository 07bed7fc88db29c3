import { readFile } from 'node:fs/promises';

const root = new URL('../../', import.meta.url);

/** The code of a page in this language, block by block as it stands. `page` is relative to the project. */
export async function docBlocks(page: string, language: string): Promise<string[]> {
  const text = await readFile(new URL(page, root), 'utf8');
  return [...text.matchAll(/^```(\w+)\n(.*?)^```/gms)].flatMap(([, of, block = '']) =>
    of === language ? [block] : [],
  );
}

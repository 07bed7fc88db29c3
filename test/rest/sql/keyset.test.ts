import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { libraries, libraryOpeningMs } from './library-database.ts';
import type { Library } from './library-database.ts';

/** Reads all pages; returns the ids of each page. */
async function pages(library: Library, query: string): Promise<number[][]> {
  const seen: number[][] = [];
  let after: string | null = '';
  while (after !== null) {
    if (seen.length > 30) throw new Error(`the pages do not end: ${query}`);
    const { body, cursor }: { body: unknown; cursor: string | null } = await library.run({
      line: `GET /books?select=id&after=${after}&${query}`,
    });
    seen.push((JSON.parse(String(body)) as { id: number }[]).map(({ id }) => id));
    after = cursor;
  }
  return seen;
}

describe.each(libraries)('keyset pagination on %s', (_kind, open) => {
  let library: Library;
  beforeAll(async () => {
    library = await open();
    await library.database.query({
      text: `insert into library.books (id, title, author_id, pages, price, details, added)
        select n, 'Title ' || n % 3, nullif(n % 4, 0), nullif(n % 5, 0), null, jsonb_build_object('k', n % 3),
               '2026-01-01 00:00:00.123456+00'::timestamptz + n % 2 * interval '1 microsecond'
        from generate_series(100, 116) n`,
    });
  }, libraryOpeningMs);
  afterAll(() => library?.close());

  test.each([
    'order=id',
    'order=id.desc',
    'order=title',
    'order=title.desc,id.desc',
    'order=pages',
    'order=pages.desc',
    'order=pages.asc.nullsfirst',
    'order=pages.desc.nullslast,author_id.asc.nullsfirst,id.desc',
    'order=details->>k.desc.nullslast,title',
    'order=added.desc',
    'order=title_length.desc,pages',
    'order=author_id.desc.nullsfirst&pages=not.is.null',
  ])('shows every row once, in order: %s', async (query) => {
    const order = /order=[^&]*/.exec(query)?.[0] ?? '';
    const total = /[=,]id(\.|&|$|,)/.test(order) ? query : query.replace(order, `${order},id`);
    const { body } = await library.run({ line: `GET /books?select=id&${total}` });
    const all = (JSON.parse(String(body)) as { id: number }[]).map(({ id }) => id);
    for (const limit of [1, 4, 100]) {
      const found = await pages(library, `${query}&limit=${limit}`);
      expect(found.flat()).toEqual(all);
      expect(found.slice(0, -1).every((page) => page.length === limit)).toBe(true);
    }
  });

  test('keeps the shape of rows, including embeds, whatever the order needs', async () => {
    const { body, cursor } = await library.run({
      line: 'GET /books?select=t:title,authors(name)&id=lt.3&after=&order=pages,id&limit=1',
    });
    expect(body).toBe('[{"t":"Diagrams","authors":{"name": "Ada"}}]');
    expect(JSON.parse(Buffer.from(String(cursor), 'base64url').toString())).toEqual(['80', '2']);
    const csv = await library.run({
      line: `GET /books?select=id,title&id=lt.3&after=${cursor}&order=pages,id&limit=1`,
      headers: { accept: 'text/csv' },
    });
    expect(csv.body).toBe('id,title\n1,"Notes on engines"');
  });

  test('counts all rows, not only the remaining ones', async () => {
    const headers = { prefer: 'count=exact' };
    const first = await library.run({ line: 'GET /books?id=lt.5&after=&limit=3', headers });
    const second = await library.run({ line: `GET /books?id=lt.5&after=${first.cursor}&limit=3`, headers });
    expect([first.totalCount, second.totalCount, second.pageCount, second.cursor]).toEqual([
      '4',
      '4',
      '1',
      null,
    ]);
  });

  test.each(['order=id', 'order=at.desc'])('starts in an index at the cursor: %s', async (order) => {
    const { cursor } = await library.run({ line: `GET /moments?after=&limit=20&${order}` });
    const { main } = await library.rows({
      line: `GET /moments?after=${cursor}&limit=20&${order}`,
      headers: { accept: 'application/vnd.pgrst.plan+text' },
    });
    expect(JSON.stringify(main)).toContain('Index Cond');
    expect(JSON.stringify(main)).not.toContain('Sort');
  });
});

import type { ResultCase } from './result-case.ts';

const json = (accept: string) => ({ accept });

/** Reads of the library, with the expected result of the main statement. Bodies are compared byte by byte. */
export const readCases: readonly ResultCase[] = [
  {
    name: 'one row',
    line: 'GET /authors?id=eq.1',
    gives: {
      body: '[{"id":1,"name":"Ada","mentor_id":null,"born":"1815-12-10"}]',
      pageCount: '1',
      totalCount: null,
      location: null,
      insertedCount: null,
      cursor: null,
      responseHeaders: null,
      responseStatus: null,
    },
  },
  { name: 'no row', line: 'GET /authors?id=eq.99', gives: { body: '[]', pageCount: '0' } },
  {
    name: 'rows, separated as json_agg does it',
    line: 'GET /authors?select=id&order=id.desc',
    gives: { body: '[{"id":3}, \n {"id":2}, \n {"id":1}]', pageCount: '3' },
  },
  {
    name: 'aliases and casts',
    line: 'GET /books?select=number:id,text:pages::text&id=eq.1',
    gives: { body: '[{"number":1,"text":"120"}]' },
  },
  {
    name: 'paths into json, by key and from either end',
    line: 'GET /books?select=id,details->a->b->-1,lang:details->>lang&id=eq.1',
    gives: { body: '[{"id":1,"b":20,"lang":"en"}]' },
  },
  {
    name: 'paths into a value that is not json',
    line: 'GET /books?select=tags->0&id=eq.1',
    gives: { body: '[{"tags":"math"}]' },
  },
  {
    name: 'a computed field',
    line: 'GET /books?select=title_length&title_length=gt.10&order=title_length.desc&limit=1',
    gives: { body: '[{"title_length":29}]' },
  },
  {
    name: 'order by a path, nulls first',
    line: 'GET /books?select=id&order=details->>lang.desc.nullsfirst,id',
    gives: { body: '[{"id":3}, \n {"id":1}, \n {"id":4}, \n {"id":2}]' },
  },
  {
    name: 'a page',
    line: 'GET /books?select=id&order=id&limit=2&offset=1',
    gives: { body: '[{"id":2}, \n {"id":3}]', pageCount: '2' },
  },
  { name: 'limit 0', line: 'GET /books?select=id&limit=0', gives: { body: '[]', pageCount: '0' } },
  {
    name: 'a page with its exact count',
    line: 'GET /books?select=id&order=id&limit=2&pages=eq.80',
    headers: { prefer: 'count=exact' },
    gives: { totalCount: '2', pageCount: '2' },
  },
  {
    name: 'everything with its exact count, which is counted once',
    line: 'GET /books?select=id',
    headers: { prefer: 'count=exact' },
    gives: { totalCount: '4', pageCount: '4' },
  },
  {
    name: 'only the count',
    line: 'HEAD /books',
    headers: { prefer: 'count=exact' },
    gives: { totalCount: '4', pageCount: '4', body: null },
  },

  // Embeds
  {
    name: 'a row of the other side as an object',
    line: 'GET /books?select=id,authors(name)&order=id',
    gives: {
      body: '[{"id":1,"authors":{"name": "Ada"}}, \n {"id":2,"authors":{"name": "Ada"}}, \n {"id":3,"authors":{"name": "Béla"}}, \n {"id":4,"authors":null}]',
    },
  },
  {
    name: 'rows of the other side as an array, filtered, ordered, limited',
    line: 'GET /authors?select=id,books(id)&books.pages=gte.80&books.order=id.desc&books.limit=1&order=id',
    gives: {
      body: '[{"id":1,"books":[{"id": 2}]}, \n {"id":2,"books":[{"id": 3}]}, \n {"id":3,"books":[]}]',
    },
  },
  {
    name: 'rows over a junction',
    line: 'GET /shelves?select=label,books(id)&books.order=id&order=id',
    gives: {
      body: '[{"label":"low","books":[{"id": 1}, {"id": 2}]}, \n {"label":"high","books":[{"id": 2}, {"id": 3}]}, \n {"label":"empty","books":[]}]',
    },
  },
  {
    name: 'levels within levels',
    line: 'GET /shelves?select=id,books(id,authors(id,books(id)))&id=eq.2&books.id=eq.3',
    gives: { body: '[{"id":2,"books":[{"id": 3, "authors": {"id": 2, "books": [{"id": 3}]}}]}]' },
  },
  {
    name: 'a table embedded in itself, both ways',
    line: 'GET /authors?select=id,mentor_id(id),authors(id)&id=in.(1,2)&order=id',
    gives: {
      body: '[{"id":1,"mentor_id":null,"authors":[{"id": 2}, {"id": 3}]}, \n {"id":2,"mentor_id":{"id": 1},"authors":[]}]',
    },
  },
  {
    name: 'a computed relationship',
    line: 'GET /books?select=id,reviewers(id)&id=eq.3&reviewers.order=id',
    gives: { body: '[{"id":3,"reviewers":[{"id": 1}, {"id": 3}]}]' },
  },
  {
    name: 'only rows that have the embed, and their count',
    line: 'GET /authors?select=id,books!inner(id)&books.pages=eq.80&order=id&limit=1',
    headers: { prefer: 'count=exact' },
    gives: { body: '[{"id":1,"books":[{"id": 2}]}]', totalCount: '2' },
  },
  {
    name: 'only rows that have the object',
    line: 'GET /books?select=id,authors!inner()&authors.name=eq.Ada&order=id',
    headers: { prefer: 'count=exact' },
    gives: { body: '[{"id":1}, \n {"id":2}]', totalCount: '2' },
  },
  {
    name: 'rows that lack the embed',
    line: 'GET /authors?select=id,books()&books=is.null&limit=5',
    headers: { prefer: 'count=exact' },
    gives: { body: '[{"id":3}]', totalCount: '1' },
  },
  {
    name: 'rows that have either of two embeds',
    line: 'GET /books?select=id,authors(),shelves()&or=(authors.not.is.null,shelves.not.is.null)&order=id&limit=9',
    headers: { prefer: 'count=exact' },
    gives: { body: '[{"id":1}, \n {"id":2}, \n {"id":3}]', totalCount: '3' },
  },
  {
    name: 'the order of an embed',
    line: 'GET /books?select=id,authors(name)&order=authors(name).desc.nullslast,id.desc&limit=2',
    gives: { body: '[{"id":3,"authors":{"name": "Béla"}}, \n {"id":2,"authors":{"name": "Ada"}}]' },
  },
  {
    name: 'an object spread into the row',
    line: 'GET /books?select=id,...authors(author:name)&order=id.desc&limit=2',
    gives: { body: '[{"id":4,"author":null}, \n {"id":3,"author":"Béla"}]' },
  },
  {
    name: 'rows spread into arrays, ordered by a column that is not selected',
    line: 'GET /authors?select=id,...books(titles:title)&books.order=pages,id&books.id=lt.4&order=id',
    gives: {
      body: '[{"id":1,"titles":["Diagrams", "Notes on engines"]}, \n {"id":2,"titles":["Bluebeard"]}, \n {"id":3,"titles":[]}]',
    },
  },

  // Aggregates
  {
    name: 'aggregates by group',
    line: 'GET /books?select=author_id,pages.sum(),n:count()&order=author_id',
    gives: {
      body: '[{"author_id":1,"sum":200,"n":2}, \n {"author_id":2,"sum":80,"n":1}, \n {"author_id":null,"sum":null,"n":1}]',
    },
  },
  {
    name: 'an aggregate of everything, cast before and after',
    line: 'GET /books?select=pages::float8.avg()::int',
    gives: { body: '[{"avg":93}]' },
  },
  {
    name: 'aggregates inside an embed, and of a spread',
    line: 'GET /books?select=...authors(name),pages.max()&author_id=not.is.null&order=authors(name)',
    gives: { body: '[{"max":120,"name":"Ada"}, \n {"max":80,"name":"Béla"}]' },
  },
  {
    name: 'aggregates of embedded rows',
    line: 'GET /authors?select=id,books(count())&order=id',
    gives: {
      body: '[{"id":1,"books":[{"count": 2}]}, \n {"id":2,"books":[{"count": 1}]}, \n {"id":3,"books":[{"count": 0}]}]',
    },
  },
  {
    name: 'groups that satisfy a condition, and their count',
    line: 'GET /books?select=author_id,count()&having=count().gt.1&limit=5',
    headers: { prefer: 'count=exact' },
    gives: { body: '[{"author_id":1,"count":2}]', totalCount: '1' },
  },
  {
    name: 'distinct rows, and their count',
    line: 'GET /books?select=pages&distinct&order=pages&limit=9',
    headers: { prefer: 'count=exact' },
    gives: { body: '[{"pages":80}, \n {"pages":120}, \n {"pages":null}]', totalCount: '3' },
  },
  {
    name: 'the first row of each value, by an order that names the value last',
    line: 'GET /books?select=id,pages&distinct=pages&order=id.desc',
    gives: { body: '[{"id":3,"pages":80}, \n {"id":1,"pages":120}, \n {"id":4,"pages":null}]' },
  },
  {
    name: 'the first row of each value of a path',
    line: 'GET /books?select=id&distinct=details->>lang&order=details->>lang.desc,id.desc',
    gives: { body: '[{"id":3}, \n {"id":4}, \n {"id":2}]' },
  },

  // Data representations
  {
    name: 'columns as their type is shown',
    line: 'GET /paints?order=id',
    gives: { body: '[{"id":1,"shade":"#0000ff"}, \n {"id":2,"shade":"#00ff00"}]' },
  },
  {
    name: 'rows by a value as their type is written',
    line: 'GET /paints?select=id&shade=eq.00ff00',
    gives: { body: '[{"id":2}]' },
  },
  {
    name: 'rows by a list of values as their type is written',
    line: 'GET /paints?select=id&shade=in.(00ff00,0000ff)&order=id',
    gives: { body: '[{"id":1}, \n {"id":2}]' },
  },

  // Formats
  {
    name: 'an object',
    line: 'GET /authors?select=id,name&id=eq.2',
    headers: json('application/vnd.pgrst.object+json'),
    gives: { body: '{"id":2,"name":"Béla"}', pageCount: '1' },
  },
  {
    name: 'no object: the checked count refuses it',
    line: 'GET /authors?id=eq.99',
    headers: json('application/vnd.pgrst.object+json'),
    gives: { body: 'null', pageCount: '0' },
  },
  {
    name: 'an object without nulls',
    line: 'GET /authors?id=eq.2',
    headers: json('application/vnd.pgrst.object+json;nulls=stripped'),
    gives: { body: '{"id":2,"name":"Béla","mentor_id":1}' },
  },
  {
    name: 'an array without nulls',
    line: 'GET /authors?select=id,born&order=id',
    headers: json('application/vnd.pgrst.array+json;nulls=stripped'),
    gives: { body: '[{"id":1,"born":"1815-12-10"},{"id":2},{"id":3,"born":"1990-01-01"}]' },
  },
  {
    name: 'CSV, quoted where necessary',
    line: 'GET /books?select=id,title,tags,author_id&id=in.(1,4)&order=id',
    headers: json('text/csv'),
    gives: {
      body: 'id,title,tags,author_id\n1,"Notes on engines","{math,engines}",1\n4,"Anonymous, ""quoted"" \\ slashed",,',
      pageCount: '2',
    },
  },
  { name: 'CSV of nothing', line: 'GET /books?id=eq.99', headers: json('text/csv'), gives: { body: '\n' } },
  {
    name: 'bytes that an aggregate of any row makes',
    line: 'GET /shelves?id=lt.3&order=id',
    headers: json('application/x-bytes'),
    gives: { body: Buffer.from('{"id":1,"label":"low"}\0{"id":2,"label":"high"}\0') },
  },
  {
    name: 'text that an aggregate of one table’s rows makes',
    line: 'GET /books?order=id&id=lt.3',
    headers: json('text/x-titles'),
    gives: { body: 'Notes on engines;Diagrams;' },
  },
];

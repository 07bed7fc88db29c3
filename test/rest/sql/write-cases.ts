import type { ResultCase } from './result-case.ts';

const representation = { prefer: 'return=representation' };

/** Writes to the library, each rolled back, with the expected result of the main statement. */
export const writeCases: readonly ResultCase[] = [
  {
    name: 'a row, without an answer',
    line: 'POST /authors',
    body: '{"id":9,"name":"Zoë"}',
    gives: { body: null, pageCount: '1', totalCount: null, insertedCount: null, location: null },
  },
  {
    name: 'a row, with its location',
    line: 'POST /stock',
    headers: { prefer: 'return=headers-only' },
    body: '{"sku":"c","place":"y","amount":3}',
    gives: { body: null, location: ['sku=eq.c', 'place=eq.y'] },
  },
  {
    name: 'several rows do not have a location',
    line: 'POST /stock',
    headers: { prefer: 'return=headers-only' },
    body: '[{"sku":"c","place":"y","amount":3},{"sku":"d","place":"y","amount":3}]',
    gives: { pageCount: '2', location: null },
  },
  {
    name: 'a row without a key does not have a location',
    line: 'POST /loose',
    headers: { prefer: 'return=headers-only' },
    body: '{"note":"x"}',
    gives: { pageCount: '1', location: null },
  },
  {
    name: 'rows, and the selected columns, embeds included',
    line: 'POST /books?select=title,authors(name)',
    headers: representation,
    body: '[{"title":"A","author_id":1},{"title":"B","author_id":null}]',
    gives: {
      body: '[{"title":"A","authors":{"name": "Ada"}}, \n {"title":"B","authors":null}]',
      pageCount: '2',
    },
  },
  {
    name: 'a missing column is null and not its default, in an array or alone',
    line: 'POST /books?columns=title,price&select=title,price',
    headers: representation,
    body: '[{"title":"A"},{"title":"B","price":1}]',
    gives: { body: '[{"title":"A","price":null}, \n {"title":"B","price":1.00}]' },
  },
  {
    name: 'a missing column has its default on request',
    line: 'POST /books?columns=title,price,id&select=title,price,id',
    headers: { prefer: 'return=representation, missing=default' },
    body: '[{"title":"A","id":50},{"title":"B","price":1,"id":51}]',
    gives: { body: '[{"title":"A","price":9.50,"id":50}, \n {"title":"B","price":1.00,"id":51}]' },
  },
  {
    name: 'the default of one object',
    line: 'POST /books?columns=title,price&select=title,price',
    headers: { prefer: 'return=representation, missing=default' },
    body: ' {"title":"A"}',
    gives: { body: '[{"title":"A","price":9.50}]' },
  },
  {
    name: 'rows of defaults only',
    line: 'POST /loose?select=note',
    headers: representation,
    body: '[{},{}]',
    gives: { body: '[{"note":null}, \n {"note":null}]' },
  },
  { name: 'a row of nothing but defaults', line: 'POST /loose', body: '{}', gives: { pageCount: '1' } },
  {
    name: 'no rows',
    line: 'POST /loose',
    headers: representation,
    body: '[]',
    gives: { body: '[]', pageCount: '0' },
  },
  {
    name: 'CSV',
    line: 'POST /authors?select=id,name,born',
    headers: { ...representation, 'content-type': 'text/csv' },
    body: 'id,name,born\n8,"Q, R",NULL\n9,S,2000-02-03\n',
    gives: { body: '[{"id":8,"name":"Q, R","born":null}, \n {"id":9,"name":"S","born":"2000-02-03"}]' },
  },
  {
    name: 'values through a data representation',
    line: 'POST /paints',
    headers: representation,
    body: '{"id":3,"shade":"#ff0000"}',
    gives: { body: '[{"id":3,"shade":"#ff0000"}]' },
  },
  {
    name: 'an upsert that inserts one and updates one',
    line: 'POST /stock',
    headers: { prefer: 'return=representation, resolution=merge-duplicates' },
    body: '[{"sku":"a","place":"x","amount":7},{"sku":"z","place":"x","amount":8}]',
    gives: {
      body: '[{"sku":"a","place":"x","amount":7}, \n {"sku":"z","place":"x","amount":8}]',
      pageCount: '2',
      insertedCount: '1',
    },
  },
  {
    name: 'an upsert that updates everything',
    line: 'POST /stock',
    headers: { prefer: 'resolution=merge-duplicates' },
    body: '[{"sku":"a","place":"x","amount":7},{"sku":"b","place":"x","amount":8}]',
    gives: { body: null, pageCount: '2', insertedCount: '0' },
  },
  {
    name: 'ignored duplicates are not returned',
    line: 'POST /stock',
    headers: { prefer: 'return=representation, resolution=ignore-duplicates' },
    body: '[{"sku":"a","place":"x","amount":7},{"sku":"z","place":"x","amount":8}]',
    gives: { body: '[{"sku":"z","place":"x","amount":8}]', insertedCount: null },
  },
  {
    name: 'an upsert without a key inserts',
    line: 'POST /loose',
    headers: { prefer: 'resolution=merge-duplicates' },
    body: '{"note":"x"}',
    gives: { pageCount: '1', insertedCount: '1' },
  },
  {
    name: 'PUT of a new row',
    line: 'PUT /stock?sku=eq.z&place=eq.x',
    headers: representation,
    body: '{"sku":"z","place":"x","amount":8}',
    gives: { body: '[{"sku":"z","place":"x","amount":8}]', insertedCount: '1' },
  },
  {
    name: 'PUT of an existing row',
    line: 'PUT /stock?sku=eq.a&place=eq.x',
    body: '{"sku":"a","place":"x","amount":8}',
    gives: { body: null, pageCount: '1', insertedCount: '0' },
  },
  {
    name: 'an update',
    line: 'PATCH /authors?id=in.(1,2)&select=id,name',
    headers: representation,
    body: '{"name":"same"}',
    gives: { body: '[{"id":1,"name":"same"}, \n {"id":2,"name":"same"}]', pageCount: '2' },
  },
  {
    name: 'an update by a computed field and a path',
    line: 'PATCH /books?title_length=gt.10&details->>lang=eq.en&select=id',
    headers: representation,
    body: '{"pages":null}',
    gives: { body: '[{"id":1}, \n {"id":4}]' },
  },
  {
    name: 'an update of nothing',
    line: 'PATCH /authors?id=eq.1',
    headers: representation,
    body: '{}',
    gives: { body: '[]', pageCount: '0' },
  },
  {
    name: 'an update to a default',
    line: 'PATCH /books?id=eq.1&columns=price&select=price',
    headers: { prefer: 'return=representation, missing=default' },
    body: '{}',
    gives: { body: '[{"price":9.50}]' },
  },
  {
    name: 'a deletion',
    line: 'DELETE /stock?amount=gt.1',
    headers: representation,
    gives: { body: '[{"sku":"b","place":"x","amount":2}]', pageCount: '1' },
  },
  {
    name: 'a deletion without an answer',
    line: 'DELETE /stock',
    gives: { body: null, pageCount: '2' },
  },
  {
    name: 'a deletion within its limit',
    line: 'DELETE /stock',
    headers: { prefer: 'handling=strict, max-affected=2' },
    gives: { pageCount: '2' },
  },
  {
    name: 'written rows as CSV, with the selected columns as heading',
    line: 'DELETE /stock?select=sku&order=sku',
    headers: { ...representation, accept: 'text/csv' },
    gives: { body: 'sku\na\nb' },
  },
  {
    name: 'one row as an object',
    line: 'PATCH /authors?id=eq.1&select=name',
    headers: { ...representation, accept: 'application/vnd.pgrst.object+json' },
    body: '{"name":"x"}',
    gives: { body: '{"name":"x"}' },
  },
];

const object = { accept: 'application/vnd.pgrst.object+json' };
const strict = { prefer: 'handling=strict, max-affected=1' };

/** Writes that Postgres accepts and that must be refused all the same, with the refusal. */
export const refusedWrites: readonly (Omit<ResultCase, 'gives'> & {
  readonly code: string;
  readonly rows: number;
})[] = [
  {
    name: 'two inserted rows as one object',
    line: 'POST /authors',
    headers: { ...object, ...representation },
    body: '[{"id":8,"name":"x"},{"id":9,"name":"y"}]',
    code: 'PGRST116',
    rows: 2,
  },
  {
    name: 'two updated rows as one object, without an answer',
    line: 'PATCH /stock',
    headers: object,
    body: '{"amount":5}',
    code: 'PGRST116',
    rows: 2,
  },
  {
    name: 'no deleted row as one object',
    line: 'DELETE /stock?sku=eq.q',
    headers: object,
    code: 'PGRST116',
    rows: 0,
  },
  {
    name: 'more updates than allowed',
    line: 'PATCH /stock',
    headers: strict,
    body: '{"amount":5}',
    code: 'PGRST124',
    rows: 2,
  },
  { name: 'more deletions than allowed', line: 'DELETE /stock', headers: strict, code: 'PGRST124', rows: 2 },
  {
    name: 'PUT of another row than the named one',
    line: 'PUT /stock?sku=eq.a&place=eq.x',
    body: '{"sku":"b","place":"x","amount":8}',
    code: 'PGRST115',
    rows: 0,
  },
  {
    name: 'a function that returns more rows than allowed',
    line: 'POST /rpc/drop_loose',
    headers: strict,
    body: '{}',
    code: 'PGRST124',
    rows: 2,
  },
  {
    name: 'a function that returns two rows as one object',
    line: 'POST /rpc/drop_loose',
    headers: object,
    body: '{}',
    code: 'PGRST116',
    rows: 2,
  },
];

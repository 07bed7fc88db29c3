import type { ResultCase } from './result-case.ts';

/** Calls of the library's functions, with the expected result of the main statement. */
export const callCases: readonly ResultCase[] = [
  {
    name: 'a scalar, by GET',
    line: 'GET /rpc/add?a=1&b=2',
    gives: { body: '3', pageCount: '1', totalCount: null },
  },
  { name: 'a scalar, by POST', line: 'POST /rpc/add', body: '{"a":1,"b":5}', gives: { body: '6' } },
  { name: 'a default of an argument', line: 'POST /rpc/add', body: '{"a":1}', gives: { body: '2' } },
  {
    name: 'the first of several objects',
    line: 'POST /rpc/add?columns=a',
    body: '[{"a":1},{"a":5}]',
    gives: { body: '2' },
  },
  {
    name: 'a form',
    line: 'POST /rpc/add',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'a=4&b=4',
    gives: { body: '8' },
  },
  { name: 'a scalar without a body', line: 'HEAD /rpc/add?a=1', gives: { body: null, pageCount: '1' } },
  {
    name: 'a scalar as CSV',
    line: 'GET /rpc/add?a=1',
    headers: { accept: 'text/csv' },
    gives: { body: 'pgrst_scalar\n2' },
  },
  {
    name: 'a scalar as object',
    line: 'GET /rpc/add?a=1',
    headers: { accept: 'application/vnd.pgrst.object+json' },
    gives: { body: '2', pageCount: '1' },
  },
  { name: 'scalars', line: 'GET /rpc/counts', gives: { body: '[1, 2, 3]', pageCount: '3' } },
  {
    name: 'a page of scalars with its count',
    line: 'GET /rpc/counts?limit=1&offset=1',
    headers: { prefer: 'count=exact' },
    gives: { body: '[2]', pageCount: '1', totalCount: '3' },
  },
  {
    name: 'rows with columns of its own',
    line: 'GET /rpc/pair',
    gives: { body: '[{"one":1,"two":"x"}, \n {"one":2,"two":null}]' },
  },
  { name: 'a filter on them', line: 'GET /rpc/pair?two=is.null&select=one', gives: { body: '[{"one":2}]' } },
  {
    name: 'rows of a table, filtered by a column that is not selected, with embeds',
    line: 'GET /rpc/books_of?author=1&pages=eq.80&select=title,authors(name)',
    gives: { body: '[{"title":"Diagrams","authors":{"name": "Ada"}}]' },
  },
  {
    name: 'rows of a table with a computed field and a computed relationship',
    line: 'GET /rpc/books_of?author=2&select=title_length,reviewers(id)&reviewers.id=eq.1',
    gives: { body: '[{"title_length":9,"reviewers":[{"id": 1}]}]' },
  },
  {
    name: 'one row, which is an object',
    line: 'GET /rpc/book?id=2&select=id,pages',
    gives: { body: '{"id":2,"pages":80}', pageCount: '1' },
  },
  {
    name: 'several values of a variadic argument',
    line: 'GET /rpc/join_all?words=a&words=b,c',
    gives: { body: '"a-b,c"' },
  },
  {
    name: 'an array for a variadic argument',
    line: 'POST /rpc/join_all',
    body: '{"words":["a","b"]}',
    gives: { body: '"a-b"' },
  },
  {
    name: 'the body as the only argument: json',
    line: 'POST /rpc/echo',
    body: '{"x" : [1]}',
    gives: { body: '{"x" : [1]}' },
  },
  {
    name: 'the body as the only argument: text',
    line: 'POST /rpc/shout',
    headers: { 'content-type': 'text/plain' },
    body: 'loud "x"',
    gives: { body: '"LOUD \\"X\\""' },
  },
  {
    name: 'the body as the only argument: bytes',
    line: 'POST /rpc/weigh',
    headers: { 'content-type': 'application/octet-stream' },
    body: Buffer.from([0, 255, 10]),
    gives: { body: '3' },
  },
  {
    name: 'only headers and a status',
    line: 'POST /rpc/touch',
    gives: { responseHeaders: '[{"X-Touched": "yes"}]', responseStatus: '202', pageCount: '1' },
  },
];

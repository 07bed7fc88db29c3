import { DatabaseError } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { refusalFrom } from '../../../src/rest/sql/refusals.ts';
import { callCases } from './call-cases.ts';
import { filterCases, refusedFilters } from './filter-cases.ts';
import { golden } from './golden.ts';
import { libraries, libraryOpeningMs, oddSchema } from './library-database.ts';
import type { Asked, Library } from './library-database.ts';
import { readCases } from './read-cases.ts';
import { refusedWrites, writeCases } from './write-cases.ts';

describe.each(libraries)('statements on %s', (_kind, open) => {
  let library: Library;
  beforeAll(async () => {
    library = await open();
  }, libraryOpeningMs);
  afterAll(() => library?.close());

  const errorOf = async (asked: Asked): Promise<DatabaseError> => {
    const error = await library.run(asked).catch((caught: unknown) => caught);
    if (!(error instanceof DatabaseError)) throw new Error('the statement did not fail', { cause: error });
    return error;
  };
  const count = async (table: string) =>
    (await library.database.query({ text: `select count(*)::int as n from library.${table}` })).rows;

  describe('the statement', () => {
    test.each(golden)('of $line', ({ text, values, options, ...asked }) => {
      const { main } = library.plan(asked, options).statements;
      expect(main).toEqual({ text, values, arrayMode: true, prepare: true });
    });

    test('is the same for all values, including lists of any length, so that it is prepared once', () => {
      const text = (query: string) => library.plan({ line: `GET /books?${query}` }).statements.main.text;
      expect(text('id=in.(1,2,3)&title=like.a*&offset=5')).toBe(text('id=in.()&title=like.*&offset=70'));
    });

    test('is not prepared when that is turned off, to be explained, or with too many values', () => {
      const prepared = (line: string, options = {}, headers = {}) =>
        library.plan({ line, headers }, options).statements.main.prepare;
      expect(prepared('GET /books')).toBe(true);
      expect(prepared('GET /books', { preparedStatements: false })).toBe(false);
      expect(prepared('GET /books', {}, { accept: 'application/vnd.pgrst.plan+json' })).toBe(false);
      expect(prepared(`GET /books?or=(${Array.from({ length: 1000 }, () => 'id.eq.1').join()})`)).toBe(false);
    });
  });

  describe('reading gives', () => {
    test.each(readCases)('$name: $line', async ({ gives, options, ...asked }) => {
      expect(await library.run(asked, options)).toMatchObject(gives);
    });

    test('the planner’s count beside the rows, or beside a count that stops early', async () => {
      const planned = await library.run({ line: 'GET /books?limit=1', headers: { prefer: 'count=planned' } });
      expect(planned).toMatchObject({ totalCount: null, pageCount: '1' });
      expect(planned.planned).toEqual([
        [[{ Plan: expect.objectContaining({ 'Plan Rows': expect.any(Number) }) }]],
      ]);
      const estimated = await library.run(
        { line: 'GET /books', headers: { prefer: 'count=estimated' } },
        { maxRows: 2 },
      );
      expect(estimated).toMatchObject({ totalCount: '3', pageCount: '2' });
      expect(estimated.planned).toHaveLength(1);
    });

    test('Postgres’s error for unknown types', async () => {
      const castTo = (type: string) => errorOf({ line: `GET /books?select=id::${type}` });
      expect(await castTo('nothing')).toMatchObject({ code: '42704' });
      expect(await castTo('%20')).toMatchObject({ code: '42601' });
      expect(await castTo('int%20$1')).toMatchObject({ code: '42601' });
    });

    test('the plan, in the requested format and with the requested details', async () => {
      const accept =
        'application/vnd.pgrst.plan+text; for="application/json"; options=analyze|verbose|settings|buffers|wal';
      const { main } = await library.rows({ line: 'GET /books?id=eq.1', headers: { accept } });
      const lines = (main as string[][]).map(([line]) => line);
      expect(lines.join('\n')).toMatch(/^Aggregate .*actual[\s\S]*Output:[\s\S]*Execution Time/);
      const json = await library.rows({
        line: 'GET /books',
        headers: { accept: 'application/vnd.pgrst.plan+json' },
      });
      expect(json.main).toEqual([[[{ Plan: expect.objectContaining({ 'Node Type': 'Aggregate' }) }]]]);
    });

    test('the plan of a write that would be refused, without the refusal', async () => {
      const accept = 'application/vnd.pgrst.plan+text; for="application/vnd.pgrst.object+json"';
      const { main } = await library.rows({ line: 'DELETE /stock', headers: { accept } });
      expect(main.length).toBeGreaterThan(2);
    });
  });

  describe('a filter leaves', () => {
    test.each(filterCases)('%s', async (query, ids) => {
      const encoded = query.replaceAll(/[ "'\\|;]/g, (character) => encodeURIComponent(character));
      const { body } = await library.run({ line: `GET /books?select=id&order=id&${encoded}` });
      expect((JSON.parse(String(body)) as { id: number }[]).map(({ id }) => id)).toEqual(ids);
    });

    test.each(refusedFilters)('nothing, when Postgres refuses it: %s', async (query, code) => {
      expect(await errorOf({ line: `GET /books?${query.replaceAll(' ', '%20')}` })).toMatchObject({ code });
    });
  });

  describe('writing gives', () => {
    test.each(writeCases)('$name: $line', async ({ gives, options, ...asked }) => {
      expect(await library.run(asked, options)).toMatchObject(gives);
    });

    test('Postgres’s error for a body that does not fit', async () => {
      const representation = { prefer: 'return=representation' };
      const write = (body: string, line = 'POST /authors') =>
        errorOf({ line, body, headers: representation });
      expect(await write('{"id":"x","name":"y"}')).toMatchObject({ code: '22P02' });
      expect(await write('{"id":1,"name":"y"}')).toMatchObject({ code: '23505' });
      expect(await write('{"id":9}')).toMatchObject({ code: '23502' });
      expect(await write('[1]', 'POST /authors?columns=id')).toMatchObject({ code: '22023' });
      expect(await write('{nonsense', 'POST /authors?columns=id')).toMatchObject({ code: '22P02' });
      expect(await write('{"name":"y"}', 'POST /authors?select=nothing')).toMatchObject({ code: '42703' });
    });
  });

  describe('a write is refused after it was done, and rolled back:', () => {
    test.each(refusedWrites)('$name', async ({ code, rows, name: _name, options, ...asked }) => {
      const before = [await count('authors'), await count('stock'), await count('loose')];
      // Would be committed if it were not refused.
      const error = await library.run(asked, options, 'commit').catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: '22P02' });
      expect(refusalFrom((error as Error).message)).toEqual({ code, rows });
      expect([await count('authors'), await count('stock'), await count('loose')]).toEqual(before);
      const amounts = await library.database.query({ text: 'select amount from library.stock order by 1' });
      expect(amounts.rows).toEqual([{ amount: 1 }, { amount: 2 }]);
    });

    test('a value that looks like a refusal is not one', async () => {
      const error = await errorOf({ line: 'GET /books?id=eq.LTR%3APGRST116%3A3' });
      expect(error.message).toContain('"LTR:PGRST116:3"');
      expect(refusalFrom(error.message)).toBeNull();
    });
  });

  describe('a call gives', () => {
    test.each(callCases)('$name: $line', async ({ gives, options, ...asked }) => {
      expect(await library.run(asked, options)).toMatchObject(gives);
    });

    test('Postgres’s error for bytes that are not text, and for columns that are not returned', async () => {
      const headers = { 'content-type': 'text/plain' };
      expect(await errorOf({ line: 'POST /rpc/shout', headers, body: Buffer.from([255]) })).toMatchObject({
        code: '22021',
      });
      expect(await errorOf({ line: 'GET /rpc/pair?select=three' })).toMatchObject({
        message: 'column pgrst_call.three does not exist',
      });
    });
  });

  describe('names are quoted, whatever they contain', () => {
    // HTTP delivers the names as bytes of UTF-8, each as a character.
    const profile = Buffer.from(oddSchema).toString('latin1');
    const headers = { 'accept-profile': profile, 'content-profile': profile };
    const table = encodeURIComponent('order by; --');
    const long = 'x23456789012345678901234567890123456789012345678901234567890123';
    const name = (text: string) => encodeURIComponent(`"${text.replaceAll('"', '\\"')}"`);

    test('in reads', async () => {
      const quoted = name('a "quoted" name');
      const select = `group,%241,${quoted},${encodeURIComponent("日本語->it's->")}${name('"k"')}`;
      const line = `GET /${table}?select=${select}&order=${quoted}.desc&group=eq.1&%241=eq.%242`;
      expect((await library.run({ line, headers })).body).toBe(
        '[{"group":1,"$1":"$2","a \\"quoted\\" name":"x","\\"k\\"":5}]',
      );
    });

    test('in writes', async () => {
      const { body } = await library.run({
        line: `POST /${table}?select=group,%241`,
        headers: {
          ...headers,
          prefer: 'return=representation, resolution=merge-duplicates, missing=default',
        },
        body: '[{"group":1,"$1":"x"},{"group":9,"$1":"y"}]',
      });
      expect(body).toBe('[{"group":1,"$1":"x"}, \n {"group":9,"$1":"y"}]');
    });

    test('in calls', async () => {
      const line = `/rpc/${encodeURIComponent('f(x) "ü"')}`;
      expect((await library.run({ line: `GET ${line}?in=1&A%20b=x`, headers })).body).toBe('"1x"');
      expect((await library.run({ line: `POST ${line}`, headers, body: '{"in":1,"A b":"x"}' })).body).toBe(
        '"1x"',
      );
    });

    test('of 63 bytes, embedded in themselves at several levels', async () => {
      const line = `GET /${long}?select=id,up(id,up(id)),${long}(id,${long}(id))&order=id&limit=2`;
      expect((await library.run({ line, headers })).body).toBe(
        `[{"id":1,"up":null,"${long}":[{"id": 2, "${long}": []}, {"id": 3, "${long}": []}]}, \n {"id":2,"up":{"id": 1, "up": null},"${long}":[]}]`,
      );
    });
  });
});

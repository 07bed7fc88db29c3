import { describe, expect, test } from 'vitest';
import { differences } from './differences.ts';
import { readChapter } from './read-chapter.ts';

const expectationOf = (answer: string) => {
  const [only] = readChapter('page', `== s\n-- n\nGET /\n\n${answer}`).cases;
  const exchange = only?.exchanges[0];
  if (!exchange) throw new Error('no case');
  return exchange.expected;
};
const json = ['Content-Type', 'application/json; charset=utf-8'] as const;

describe('an answer', () => {
  test('has no differences when it is as expected', () => {
    const expected = expectationOf('HTTP 200\nX-A: 1\nX-B: ~^\\d+$\n!X-C\n[{"a": 1, "b": null}]');
    const headers = [json, ['x-a', '1'], ['X-B', '42']] as const;
    expect(differences(expected, { status: 200, headers, body: '[{"b":null,"a":1}]' })).toEqual([]);
  });

  test('differs in status, headers and body separately', () => {
    const expected = expectationOf('HTTP 200\nX-A: 1\nX-B: ~^\\d+$\n!X-C\n[{"a": 1}]');
    const headers = [['Content-Type', 'text/csv'], ['X-A', '2'], ['X-B', 'x'], ['X-C', 'there']] as const; // prettier-ignore
    expect(differences(expected, { status: 201, headers, body: '[{"a":1,"b":2}]' })).toEqual([
      expect.stringMatching(/^status: 201/),
      expect.stringMatching(/^x-a: /),
      expect.stringMatching(/^x-b: /),
      expect.stringMatching(/^content-type: /),
      expect.stringMatching(/^X-C: /),
      expect.stringMatching(/^body: /),
    ]);
  });

  test('has a repeated header as often as expected, in order', () => {
    const expected = expectationOf('HTTP 204\nX-A: 1\nX-A: 2');
    const twice = [['X-A', '1'], ['X-A', '2']] as const; // prettier-ignore
    expect(differences(expected, { status: 204, headers: twice, body: '' })).toEqual([]);
    expect(differences(expected, { status: 204, headers: twice.slice(1), body: '' })).toHaveLength(1);
    expect(differences(expected, { status: 204, headers: twice.toReversed(), body: '' })).toHaveLength(1);
  });

  test('must have an empty body when none is expected', () => {
    const expected = expectationOf('HTTP 204');
    expect(differences(expected, { status: 204, headers: [], body: '[]' })).toHaveLength(1);
  });

  test("must have its error's code in Proxy-Status", () => {
    const expected = expectationOf('HTTP 400\n{"code": "X1", "message": "m"}');
    const body = '{"code":"X1","message":"m"}';
    expect(differences(expected, { status: 400, headers: [json], body })).toHaveLength(1);
    const headers = [json, ['Proxy-Status', 'PostgREST; error=X1']] as const;
    expect(differences(expected, { status: 400, headers, body })).toEqual([]);
  });

  test('must equal an expected text to the last character', () => {
    const expected = expectationOf('HTTP 200\n|a,b\n|1,2\n|');
    expect(differences(expected, { status: 200, headers: [], body: 'a,b\n1,2\n' })).toEqual([]);
    expect(differences(expected, { status: 200, headers: [], body: 'a,b\n1,2' })).toHaveLength(1);
  });

  test('is compared only at the expected places', () => {
    const expected = expectationOf('HTTP 200\n/a~1b/0 = {"c": 1}\n/x absent');
    expect(differences(expected, { status: 200, headers: [], body: '{"a/b":[{"c":1}],"y":2}' })).toEqual([]);
    expect(differences(expected, { status: 200, headers: [], body: '{"a/b":[{"c":2}],"x":2}' })).toHaveLength(
      1,
    );
    expect(differences(expected, { status: 200, headers: [], body: 'no json' })).toHaveLength(1);
  });
});

describe('a chapter', () => {
  test('is read as written', () => {
    const chapter = readChapter(
      'page',
      '# remark\n== Section (spec: S)\n-- a case\nas {"role": "r"}\nwith db-max-rows = 2\nwith db-anon-role =\n' +
        'POST /a?b=c\nPrefer: x\n\n{"a":\n 1}\n\nHTTP 201\n\nthen\nDELETE /a\n\nHTTP 204\n!X\n\n-- another\nGET /\n\nHTTP 200\n1\n',
    );
    expect(chapter.cases).toEqual([
      {
        section: 'Section (spec: S)',
        name: 'a case',
        line: 3,
        options: new Map([['db-max-rows', '2'], ['db-anon-role', '']]),
        caller: { kind: 'claims', claims: { role: 'r' } },
        exchanges: [
          {
            method: 'POST',
            target: '/a?b=c',
            headers: [['Prefer', 'x']],
            body: '{"a":\n 1}',
            expected: { status: 201, headers: [], absentHeaders: [], body: { kind: 'empty' } },
          },
          {
            method: 'DELETE',
            target: '/a',
            headers: [],
            body: null,
            expected: { status: 204, headers: [], absentHeaders: ['X'], body: { kind: 'empty' } },
          },
        ],
      },
      expect.objectContaining({ name: 'another', caller: { kind: 'anonymous' } }),
    ]); // prettier-ignore
  });

  test.each([
    ['a case before a section', '-- n\nGET /\n\nHTTP 200\n', /page:1: a case before the first section/],
    ['a case without a request', '== s\n-- n\nHTTP 200\n', /page:3: no request line/],
    ['a case without an answer', '== s\n-- n\nGET /\n', /page:3: no answer/],
    ['another line', 'hello', /page:1: not a section, not a case: hello/],
    [
      'a body that is not JSON',
      '== s\n-- n\nGET /\n\nHTTP 200\n{nope}',
      /page:6: the expected body is not JSON/,
    ],
  ])('with %s is refused', (_, text, message) => {
    expect(() => readChapter('page', text)).toThrow(message);
  });
});

import { describe, expect, test } from 'vitest';
import { refusalOf, requestOf } from './request-of.ts';

function jsonOf(
  text: string,
  keys: readonly string[],
): { kind: string; text: string; keys: readonly string[] } {
  return { kind: 'json', text, keys };
}

const csv = { 'content-type': 'text/csv' };
const form = { 'content-type': 'application/x-www-form-urlencoded' };

describe('a JSON body', () => {
  test.each([
    ['{"b":1,"a":2}', ['b', 'a']],
    ['{"price": 12345678901234567890.10}', ['price']],
    [' [ {"a":1,"b":2}, {"b":1,"a":2} ] ', ['a', 'b']],
    ['[{}]', []],
    ['{}', []],
    ['{"a":1,"a":2}', ['a']],
    ['{"__proto__":1}', ['__proto__']],
    ['[{"__proto__":1},{"__proto__":2}]', ['__proto__']],
  ])('%s is passed on as it is', (body, keys) => {
    const { payload, columns } = requestOf('POST /films', { body });
    expect(payload).toEqual(jsonOf(body, keys));
    expect(columns).toEqual(keys.toSorted());
  });

  test.each(['[]', ' [ ] ', '1', '"text"', 'null', 'true'])('%s counts as zero rows', (body) => {
    expect(requestOf('POST /films', { body }).payload).toEqual(jsonOf('[]', []));
  });

  test.each(['', '{', '{"a":1,}', "{'a':1}", '\u{feff}{}', Buffer.from([0x22, 0xff, 0x22])])(
    '%s is refused',
    (body) => {
      for (const method of ['POST', 'PATCH', 'PUT']) {
        expect(refusalOf(`${method} /films`, { body })).toEqual({
          status: 400,
          code: 'PGRST102',
          message: 'Empty or invalid json',
          details: null,
          hint: null,
        });
      }
    },
  );

  test.each([
    '[{"a":1},{"b":1}]',
    '[{"a":1},{"a":1,"b":2}]',
    '[{"a":1},{}]',
    '[{"a":1},1]',
    '[1]',
    '[[]]',
    '[null]',
  ])('%s has rows that differ', (body) => {
    expect(refusalOf('POST /films', { body })).toMatchObject({
      code: 'PGRST102',
      message: 'All object keys must match',
    });
  });

  test('is not inspected when columns are given', () => {
    expect(requestOf('POST /films?columns=b,a', { body: '[{"a":1},{}' })).toMatchObject({
      payload: jsonOf('[{"a":1},{}', []),
      columns: ['a', 'b'],
    });
    expect(requestOf('PATCH /films?columns=a', { body: '' })).toMatchObject({
      payload: jsonOf('', []),
      columns: ['a'],
    });
  });

  test('is always inspected for PUT, whatever the columns are', () => {
    expect(requestOf('PUT /films?columns=b', { body: '{"a":1}' }).columns).toEqual(['a']);
  });

  test('may be empty for a function', () => {
    expect(requestOf('POST /rpc/f')).toMatchObject({ payload: jsonOf('', []), columns: [] });
  });

  test('may nest to any depth', () => {
    const body = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expect(requestOf('POST /films', { body }).columns).toEqual(['a']);
  });

  test.each(['GET', 'HEAD', 'DELETE', 'OPTIONS'])('is not read for %s', (method) => {
    expect(requestOf(`${method} /films`, { body: '{' })).toMatchObject({ payload: null, columns: [] });
  });
});

describe('a CSV body', () => {
  test.each([
    ['a,b\n1,hi\n2,bye\n', '[{"a":"1","b":"hi"},{"a":"2","b":"bye"}]'],
    ['a,b\r\n1,2', '[{"a":"1","b":"2"}]'],
    ['a,b\nNULL,null\n"NULL",\n', '[{"a":null,"b":"null"},{"a":null,"b":""}]'],
    ['"a ""q""",b\n"x,\ny",2\n', '[{"a \\"q\\"":"x,\\ny","b":"2"}]'],
    ['a,b\n1,2,3\n', '[{"a":"1","b":"2"}]'],
    ['a,b\n\n1,2\n\n', '[{"a":"1","b":"2"}]'],
    ['a,b\n1\n2\n', '[{"a":"1"},{"a":"2"}]'],
    ['a,b\n', '[]'],
    ['é\n𝒳\n', '[{"é":"𝒳"}]'],
  ])('%j', (body, text) => {
    const { payload } = requestOf('POST /films', { headers: csv, body });
    expect(payload).toMatchObject({ kind: 'json', text });
  });

  test('names the columns', () => {
    expect(requestOf('POST /films', { headers: csv, body: 'b,a\n1,2' }).columns).toEqual(['a', 'b']);
  });

  test('is refused when its lines differ in length', () => {
    expect(refusalOf('POST /films', { headers: csv, body: 'a,b\n1,2\n3' })).toEqual({
      status: 400,
      code: 'PGRST102',
      message: 'All lines must have same number of fields',
      details: null,
      hint: null,
    });
  });

  test.each(['', 'a,b', 'a\n"x', 'a\nx"y\n', 'a\n"x"y\n', Buffer.from('a\n\xff\n', 'latin1')])(
    '%j is refused',
    (body) => {
      const { code, message } = refusalOf('POST /films', { headers: csv, body });
      expect(code).toBe('PGRST102');
      expect(message).toMatch(/^parse error \(/);
    },
  );
});

describe('a form', () => {
  const body = 'b=1&a=%20x+y&b=2&c';

  test('is an object of strings for a relation, with the last value of each name', () => {
    expect(requestOf('POST /films', { headers: form, body })).toMatchObject({
      payload: jsonOf('{"b":"2","a":" x y","c":""}', ['b', 'a', 'c']),
      columns: ['a', 'b', 'c'],
    });
  });

  test('keeps its order and repetitions for a function', () => {
    expect(requestOf('POST /rpc/f', { headers: form, body })).toMatchObject({
      payload: {
        kind: 'form',
        pairs: [
          ['b', '1'],
          ['a', ' x y'],
          ['b', '2'],
          ['c', ''],
        ],
        keys: ['b', 'a', 'c'],
      },
      columns: ['a', 'b', 'c'],
    });
  });
});

describe('another body', () => {
  test.each(['text/plain', 'text/xml', 'application/octet-stream', 'text/plain; charset=utf-8'])(
    'of %s is the argument of a function',
    (type) => {
      const body = Buffer.from([0, 0xff, 1]);
      expect(requestOf('POST /rpc/f', { headers: { 'content-type': type }, body })).toMatchObject({
        payload: { kind: 'raw', bytes: body },
        columns: [],
      });
    },
  );

  test.each([
    ['POST /films', 'text/plain', 'text/plain'],
    ['POST /films', 'application/octet-stream', 'application/octet-stream'],
    ['POST /rpc/f', 'image/png; x=1', 'image/png; x=1'],
    ['POST /films', 'application/vnd.pgrst.object+json', 'application/vnd.pgrst.object+json'],
  ])('%s refuses %s', (line, type, shown) => {
    expect(refusalOf(line, { headers: { 'content-type': type }, body: 'x' })).toMatchObject({
      status: 400,
      code: 'PGRST102',
      message: `Content-Type not acceptable: ${shown}`,
    });
  });
});

import { expect, test } from 'vitest';
import { LineError, valuesOf } from '../../src/export/json-line.ts';

test('values keep their text: numbers their digits, strings what they say, objects as they are', () => {
  const line =
    '{"a":12345678901234567890.10,"b":"x\\n\\"\\\\\\u00e4","c":null,"d":{"n": 1e400, "s": "}\\"]"},"e":[1, [2]],"f":-0,"g":true,"h \\"":"","i":"NaN"}';
  const columns = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h "', 'i'];
  expect(valuesOf(line, { columns, json: new Set() })).toEqual([
    '12345678901234567890.10',
    'x\n"\\ä',
    null,
    '{"n": 1e400, "s": "}\\"]"}',
    '[1, [2]]',
    '-0',
    'true',
    '',
    'NaN',
  ]);
});

test('a column of JSON keeps its string and its null, which are neither a text nor no value', () => {
  const columns = ['a', 'b', 'c', 'd', 'e'];
  expect(
    valuesOf('{"a":"x\\n","b":null,"c":null,"d":"null","e":{"":null},"":["b"]}', {
      columns,
      json: new Set(['a', 'b', 'c', 'e']),
    }),
  ).toEqual(['"x\\n"', 'null', null, 'null', '{"":null}']);
});

test('a JSON null of a column that is not JSON is no row', () => {
  expect(() => valuesOf('{"a":null,"":["a"]}', { columns: ['a'], json: new Set() })).toThrow(
    'the column a is said to have a JSON null, and has none',
  );
});

for (const line of [
  '',
  '[]',
  '{}',
  '{"a":1',
  '{"b":1}',
  '{"a":1,"b":2}',
  '{"a":1}x',
  '{"a":}',
  '{"a":x}',
  '{"a":"x}',
  '{"a":"\\x"}',
  '{"a":{"b":1}',
  '{"a":[}',
  '{"a": 1}',
  '{"a":01}',
  '{"a":null,"":["b"]}',
  '{"a":null,"":[]}',
  '{"a":null,"":["a"]',
  '{"a":null,"":"a"}',
  '{"a":1,"":["a"]}',
]) {
  test(`${line || 'nothing'} is not a row with the column a`, () => {
    expect(() => valuesOf(line, { columns: ['a'], json: new Set(line.includes('""') ? ['a'] : []) })).toThrow(
      LineError,
    );
  });
}

import { expect, test } from 'vitest';
import { LineError, valuesOf } from '../../src/export/json-line.ts';

test('values keep their text: numbers their digits, strings what they say, objects as they are', () => {
  const line =
    '{"a":12345678901234567890.10,"b":"x\\n\\"\\\\\\u00e4","c":null,"d":{"n": 1e400, "s": "}\\"]"},"e":[1, [2]],"f":-0,"g":true,"h \\"":"","i":"NaN"}';
  expect(valuesOf(line, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h "', 'i'], new Map())).toEqual([
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
]) {
  test(`${line || 'nothing'} is not a row with the column a`, () => {
    expect(() => valuesOf(line, ['a'], new Map())).toThrow(LineError);
  });
}

test('the value of a column of JSON stays JSON, and its null is one where the column may not be null', () => {
  const line = '{"a":"a \\"word\\"","b":null,"c":null,"d":"12","e":12}';
  const jsonColumns = new Map([
    ['a', false],
    ['b', true],
    ['c', false],
    ['d', true],
    ['e', true],
  ]);
  expect(valuesOf(line, ['a', 'b', 'c', 'd', 'e'], jsonColumns)).toEqual([
    '"a \\"word\\""',
    'null',
    null,
    '"12"',
    '12',
  ]);
});

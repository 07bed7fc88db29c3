import { expect, it } from 'vitest';
import { readJson } from '../../src/import/json-items.ts';
import { doubleProblem, jsonProblem, textProblem } from '../../src/import/storable.ts';

const problemOf = (text: string) => {
  const [item] = readJson(Buffer.from(text)).items;
  if (!item) throw new Error(`no JSON: ${text}`);
  return jsonProblem('metadata', item.value);
};

it('a text is measured in characters, as Postgres measures it', () => {
  expect(textProblem('id', '😀'.repeat(50), 50)).toBeNull();
  expect(textProblem('id', '😀'.repeat(51), 50)).toBe('id has 51 characters; expected at most 50');
});

it.each([
  ['metadata.a is 1e200000, which has more digits', '{"a":1e200000}'],
  ['metadata.a is 1e-20000, which has more digits', '{"a":1e-20000}'],
  ['metadata is nested deeper than 500', `${'['.repeat(502)}${']'.repeat(502)}`],
])('not for jsonb: %s', (reason, text) => {
  expect(problemOf(text)).toContain(reason);
});

it.each([
  '{"a":[1.0,1e400,"\\ud83d\\ude00",null,true]}',
  '{"__proto__":{"a":1}}',
  '{"a\\u0000":["\\ud800",NaN]}',
])('%s is', (text) => {
  expect(problemOf(text)).toBeNull();
});

it.each(['1e400', '1e-400', '-1e999'])('%s is not a double', (text) => {
  expect(doubleProblem('score', text)).toContain('out of the range');
});

it.each(['0', '-0.0', '0e99', '1e308', '5e-324'])('%s is a double', (text) => {
  expect(doubleProblem('score', text)).toBeNull();
});

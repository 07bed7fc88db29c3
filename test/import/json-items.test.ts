import { describe, expect, it } from 'vitest';
import { readJson, readJsonArray } from '../../src/import/json-items.ts';

const array = (text: string) => readJsonArray(Buffer.from(text, 'utf8'));
const texts = (text: string) => array(text).items.map((item) => item.text);
const reasons = (text: string) => array(text).unreadable.map(({ reason }) => reason);

describe('an array of items', () => {
  it('is split between its items, not within their strings, objects and arrays', () => {
    const items = [String.raw`{"a":"x,]\"},","b":[1,{"c":[]}]}`, '[1,2]', '"é\\\\"', 'null', '-1.5'];
    expect(texts(` [ ${items.join(' ,\n')} ] \n`)).toEqual(items);
    expect(reasons(`[${items.join(',')}]`)).toEqual([]);
  });

  it('may be empty, and may begin with a byte order mark', () => {
    expect(array('[]')).toEqual({ items: [], unreadable: [] });
    expect(texts('\u{FEFF}[1]')).toEqual(['1']);
  });

  it('loses no other item to one that is not JSON', () => {
    const { items, unreadable } = array('[{"a":1},{"a":nan},{"a":2}]');
    expect(items.map(({ index }) => index)).toEqual([0, 2]);
    expect(unreadable.map(({ index, bytes }) => [index, bytes.toString()])).toEqual([[1, '{"a":nan}']]);
    expect(unreadable[0]?.reason).toMatch(/not valid.*nan/);
  });

  it('has U+FFFD for characters that Postgres cannot store, and the names of numbers that JSON does not have', () => {
    const text = String.raw`{"a\u0000":"\ud800"}`;
    const { items, unreadable } = array(`[${text},[NaN,-Infinity]]`);
    expect(items).toMatchObject([
      { text, value: { 'a\uFFFD': '\uFFFD' } },
      { text: '[NaN,-Infinity]', value: ['NaN', '-Infinity'] },
    ]);
    expect(unreadable).toEqual([]);
  });

  it('loses no other item to one that is not UTF-8', () => {
    const bytes = Buffer.concat([Buffer.from('["a","'), Buffer.from([0xff]), Buffer.from('","b"]')]);
    const { items, unreadable } = readJsonArray(bytes);
    expect(items.map(({ value }) => value)).toEqual(['a', 'b']);
    expect(unreadable).toMatchObject([{ index: 1, reason: 'the text is not UTF-8' }]);
  });

  it.each([
    ['[1,{"a":"b', '{"a":"b'],
    ['[1,[2', '[2'],
    ['[1,', ''],
  ])('that breaks off (%j) gives what it has, and names the rest', (text, rest) => {
    const { items, unreadable } = array(text);
    expect(items.map(({ value }) => value)).toEqual([1]);
    expect(unreadable.map(({ bytes }) => bytes.toString())).toEqual([rest]);
    expect(unreadable[0]?.reason).toBe('the file breaks off before its array ends');
  });

  it('is not trusted beyond its end', () => {
    expect(reasons('[1] [2]')).toEqual(['the file goes on after the end of its array']);
  });

  it.each(['{"a":1}', '"x"', '3'])('is not %s', (text) => {
    expect(reasons(text)).toEqual(['the file is not a JSON array of items']);
  });

  it.each(['', 'nonsense'])('is not %j', (text) => {
    expect(reasons(text)).toEqual([expect.stringMatching(/^the JSON is not valid/)]);
  });
});

describe('a JSON value', () => {
  it('keeps its numbers to the last digit', () => {
    const text = '{"a":1.0,"b":12345678901234567890,"c":1e400,"d":0.1}';
    expect(JSON.stringify(readJson(Buffer.from(text)).items[0]?.value)).toBe(text);
  });

  it('is unreadable when it is nested beyond the stack, instead of a crash', () => {
    const text = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    expect(readJson(Buffer.from(text)).unreadable[0]?.reason).toMatch(/nested too deeply|not valid/);
  });
});

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { storableGraphql, storableJson, storableJsonBytes, storableText } from '../src/storable-text.ts';

describe('a text', () => {
  it.each([
    ['plain 😀', 'plain 😀'],
    ['a\0b\0', 'a\uFFFDb\uFFFD'],
    ['\ud800 \udc00\ud800', '\uFFFD \uFFFD\uFFFD'],
    ['\uFEFF\uFFFF\u0001', '\uFEFF\uFFFF\u0001'],
  ])('%j becomes %j', (given, stored) => {
    expect(storableText(given)).toBe(stored);
  });
});

describe('JSON', () => {
  it.each([
    [String.raw`{"a":"x\u0000y"}`, '{"a":"x\uFFFDy"}'],
    [String.raw`{"\u0000":["\ud800","\uDC00\uD800"]}`, '{"\uFFFD":["\uFFFD","\uFFFD\uFFFD"]}'],
    [String.raw`"\ud83d\ude00 \uD83D\uDE00 \ud83d\u0041"`, '"\\ud83d\\ude00 \\uD83D\\uDE00 \uFFFD\\u0041"'],
    [String.raw`"\ud83d\ud83d\ude00"`, '"\uFFFD\\ud83d\\ude00"'],
    // A backslash and the letters after it are text.
    [String.raw`"\\u0000 \\\u0000 \\ud800"`, '"\\\\u0000 \\\\\uFFFD \\\\ud800"'],
    [String.raw`"\u00e9\n\"\u0001"`, String.raw`"\u00e9\n\"\u0001"`],
    ['[NaN, -Infinity,Infinity]', '["NaN", "-Infinity","Infinity"]'],
    ['{"NaN":NaN,"a":"say \\"NaN\\", NaN"}', '{"NaN":"NaN","a":"say \\"NaN\\", NaN"}'],
    // These are not numbers of Python's or of JavaScript's, and the text stays what is not JSON.
    ['[xNaN, NaNs, +Infinity, 1NaN]', '[xNaN, NaNs, +Infinity, 1NaN]'],
    ['"an open string NaN', '"an open string NaN'],
  ])('%s becomes %s', (given, stored) => {
    expect(storableJson(given)).toBe(stored);
  });

  it('means what the value with storable texts means, and has nothing left that Postgres refuses', () => {
    const unit = fc.oneof(
      fc.constantFrom(
        '\0',
        '\ud800',
        '\udfff',
        '\ud83d',
        '\ude00',
        '\\',
        '"',
        'u0000',
        'NaN',
        'Infinity',
        '\uFEFF',
      ),
      fc.string({ unit: 'binary', maxLength: 2 }),
    );
    const text = fc.array(unit, { maxLength: 6 }).map((units) => units.join(''));
    const marked = (value: unknown): unknown => {
      if (typeof value === 'string') return storableText(value);
      if (Array.isArray(value)) return value.map(marked);
      return Object.fromEntries(
        Object.entries(value as object).map(([key, each]) => [storableText(key), marked(each)]),
      );
    };
    const values = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof({ maxDepth: 3 }, text, fc.array(tie('value')), fc.dictionary(text, tie('value'))),
    })).value;
    fc.assert(
      fc.property(values, (value) => {
        const stored = storableJson(JSON.stringify(value));
        expect(JSON.parse(stored)).toEqual(marked(value));
        expect(storableJson(stored)).toBe(stored);
      }),
    );
  });

  it('as bytes is the same bytes when nothing has to change, and loses a byte order mark', () => {
    const bytes = Buffer.from('{"a":"é \\u00e9 \\\\u0000"}');
    expect(storableJsonBytes(bytes)).toBe(bytes);
    expect(storableJsonBytes(Buffer.from('\uFEFF{"a":NaN}')).toString()).toBe('{"a":"NaN"}');
    expect(storableJsonBytes(Buffer.from('\uFEFF{}')).toString()).toBe('{}');
    expect(storableJsonBytes(Buffer.from('"\\u0000"')).toString()).toBe('"\uFFFD"');
  });

  it('of as many escapes as a body can hold takes less than a second', () => {
    const body = JSON.stringify('x"\\NaN\0'.repeat(700_000));
    const began = performance.now();
    const stored = storableJson(body);
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(JSON.parse(stored) === 'x"\\NaN\uFFFD'.repeat(700_000)).toBe(true);
  });
});

describe('a GraphQL document', () => {
  it.each([
    [String.raw`{ a(b: "x\u0000") }`, '{ a(b: "x\uFFFD") }'],
    [
      String.raw`{ a(b: "\u{0} \u{00d800} \ud800 \u{1F600} \ud83d\ude00") }`,
      '{ a(b: "\uFFFD \uFFFD \uFFFD \\u{1F600} \\ud83d\\ude00") }',
    ],
    [String.raw`{ a(b: "\\u0000") }`, String.raw`{ a(b: "\\u0000") }`],
    // Block strings and comments have no such escapes.
    [
      String.raw`{ a(b: """ "\u0000 \""" \u0000 """, c: "\u0000") }`,
      '{ a(b: """ "\\u0000 \\""" \\u0000 """, c: "\uFFFD") }',
    ],
    [`{ # "\\u0000\n a(b: "\\u0000") }`, `{ # "\\u0000\n a(b: "\uFFFD") }`],
    [String.raw`{ a(b: "", c: "\u0000") }`, '{ a(b: "", c: "\uFFFD") }'],
    [String.raw`{ a(b: "\u0000`, '{ a(b: "\uFFFD'],
  ])('%s becomes %s', (given, stored) => {
    expect(storableGraphql(given)).toBe(stored);
  });
});

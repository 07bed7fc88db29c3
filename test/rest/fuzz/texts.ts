import * as fc from 'fast-check';

/** A mark in the texts of generated requests, wherever a client may write anything. */
export const marker = 'zq';

/** Reserved characters, quotes of all kinds, characters beyond ASCII, and invalid text. */
const wild = fc
  .array(
    fc.constantFrom(
      ...'ab09_$.,:;()[]{}"\'\\*!-><|&=+%#/~^@? ',
      marker,
      '->>',
      '::',
      '--',
      '/*',
      '$1',
      '$$',
      'or',
      'and',
      'not',
      'ü',
      '漢',
      '🎬',
      '\u0000',
      '\n',
      '\u202e',
    ),
    { maxLength: 10 },
  )
  .map((parts) => parts.join(''));

/** Any text, with the mark. */
export const marked = wild.map((text) => marker + text);

const plainValues = [
  '',
  '1',
  '-1',
  '3.5',
  'Ran',
  'null',
  'not_null',
  'true',
  'unknown',
  '*a*',
  '{a,b}',
  '{1,2}',
  '(1,2,3)',
  '("a,b",c)',
  '()',
  '[1,10)',
  '2026-01-01',
  '[2026-01-01,2026-02-01)',
  '{"a":1}',
  '9007199254740993',
  '99999999999999999999',
  'S-7',
  '^R',
  'a & b',
];

/** A candidate for a value: sensible, wild, quoted or a list. */
export const value = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...plainValues) },
  { weight: 3, arbitrary: marked },
  { weight: 1, arbitrary: marked.map((text) => `"${text}"`) },
  { weight: 1, arbitrary: fc.array(marked, { maxLength: 3 }).map((texts) => `(${texts.join(',')})`) },
);

/** A name as `select` and filters accept it: plain, quoted with escapes, or torn. */
export function name(known: readonly string[]): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 30, arbitrary: fc.constantFrom(...known) },
    { weight: 1, arbitrary: marked.map((text) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`) },
    { weight: 1, arbitrary: marked },
  );
}

/** Mostly empty. */
export function maybe(text: fc.Arbitrary<string>, weight = 5): fc.Arbitrary<string> {
  return fc.oneof({ weight, arbitrary: fc.constant('') }, { weight: 1, arbitrary: text });
}

/** Joins pairs to a query string or a form. */
export function asQuery(pairs: readonly (readonly [string, string])[]): string {
  return pairs.map(([key, of]) => `${encode(key)}=${encode(of)}`).join('&');
}

/** Percent-encodes any text. */
export function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

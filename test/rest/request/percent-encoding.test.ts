import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalQuery } from '../../../src/rest/request/canonical-query.ts';
import {
  decodeHeader,
  decodePathSegment,
  decodeQueryText,
  encodeQueryText,
} from '../../../src/rest/request/percent-encoding.ts';
import { refusalOf } from './request-of.ts';

describe('decoding a query string', () => {
  test.each([
    ['plain', 'plain'],
    ['a+b%20c', 'a b c'],
    ['%2B', '+'],
    ['100%', '100%'],
    ['%zz%4', '%zz%4'],
    ['%zz%41', '%zzA'],
    ['%e4%b8%ad', '中'],
    ['%E4%B8%AD+%', '中 %'],
    [Buffer.from('中', 'utf8').toString('latin1'), '中'],
    [`${Buffer.from('中', 'utf8').toString('latin1')}%e4%b8%ad`, '中中'],
    ['中', '中'],
    ['%F0%9D%92%B3', '𝒳'],
    ['%00', '\0'],
    ['%ef%bb%bfx', '\ufeffx'],
  ])('%j', (encoded, text) => {
    expect(decodeQueryText(encoded)).toBe(text);
  });

  test.each(['%ff', '%c3', '\xff', '%ed%a0%80', '%c0%80', '%ff%'])('%j is not UTF-8', (encoded) => {
    expect(decodeQueryText(encoded)).toBeNull();
  });

  test('decodes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(decodeQueryText(encodeQueryText(text))).toBe(text);
      }),
    );
  });

  test('is refused when it is not UTF-8', () => {
    expect(refusalOf('GET /films?id=eq.%ff')).toMatchObject({
      status: 400,
      code: 'PGRST100',
      message: '"failed to decode query parameter (id=eq.%ff)" (line 1, column 1)',
    });
  });
});

test('a path keeps its plus signs, and invalid UTF-8 is replaced', () => {
  expect(decodePathSegment('a+b%20c')).toBe('a+b c');
  expect(decodePathSegment('%ff')).toBe('\ufffd');
});

test('a header is not percent-encoded', () => {
  expect(decodeHeader('50%25')).toBe('50%25');
  expect(decodeHeader(`50%25 ${Buffer.from('é', 'utf8').toString('latin1')}`)).toBe('50%25 é');
});

test('the canonical form escapes each byte of text beyond ASCII as if it were a character', () => {
  expect(canonicalQuery('n=eq.%C3%A9')).toBe('n=eq.%C3%83%C2%A9');
});

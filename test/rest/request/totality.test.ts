import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RestError } from '../../../src/rest/errors.ts';
import { parseRequest } from '../../../src/rest/request/parse-request.ts';
import type { RawRequest } from '../../../src/rest/request/raw-request.ts';
import { selectItems } from '../../../src/rest/request/select-grammar.ts';
import { parse } from '../../../src/rest/request/parser.ts';
import { rawRequest, requestOf, restOptions } from './request-of.ts';

// Every request gets an answer or a refusal with a code, within a short time.

/** Null when the request was parsed. */
function codeOf(raw: RawRequest): string | null {
  try {
    parseRequest(raw, restOptions);
    return null;
  } catch (error) {
    if (error instanceof RestError) return error.code;
    throw error;
  }
}

/** Text that resembles the dialect, with faults. */
const dialect = fc
  .array(
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.constantFrom(
          ...'().,:!*"\\{}->'.split(''),
          '->>',
          '::',
          '...',
          ' ',
          '\t',
          '\n',
          '+',
          '%',
          '%2',
          '%zz',
          '%ff',
        ),
      },
      {
        weight: 4,
        arbitrary: fc.constantFrom(
          'id',
          'name',
          'not',
          'and',
          'or',
          'eq',
          'in',
          'is',
          'fts',
          'like',
          'any',
          'null',
          'count',
          'sum',
        ),
      },
      { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 5 }) },
      { weight: 1, arbitrary: fc.integer().map(String) },
    ),
    { maxLength: 20 },
  )
  .map((parts) => parts.join(''));

const name = fc.oneof(
  fc.constantFrom(
    'select',
    'order',
    'limit',
    'offset',
    'and',
    'or',
    'columns',
    'on_conflict',
    'having',
    'distinct',
    'after',
    'id',
  ),
  fc
    .tuple(dialect, fc.constantFrom('order', 'limit', 'or', 'not.and', 'having', 'id'))
    .map((parts) => parts.join('.')),
  dialect,
);

const query = fc
  .array(
    fc
      .tuple(name, dialect, fc.boolean())
      .map(([left, right, encode]) =>
        encode ? `${encodeURIComponent(left)}=${encodeURIComponent(right)}` : `${left}=${right}`,
      ),
    { maxLength: 4 },
  )
  .map((pairs) => pairs.join('&'));

const request: fc.Arbitrary<RawRequest> = fc.record({
  method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'x'),
  path: fc.oneof(
    fc.constantFrom('/', '', '/films', '/rpc/f'),
    fc.string().map((path) => `/${path}`),
  ),
  query: fc.oneof({ weight: 5, arbitrary: query }, { weight: 1, arbitrary: fc.string({ unit: 'binary' }) }),
  headers: fc.dictionary(
    fc.constantFrom('accept', 'prefer', 'range', 'content-type', 'accept-profile', 'content-profile'),
    fc.oneof(
      fc.constantFrom(
        'text/csv',
        'application/x-www-form-urlencoded',
        '0-1',
        'application/vnd.pgrst.plan; for="',
        'max-affected=',
        'api',
      ),
      dialect,
    ),
    { maxKeys: 3 },
  ),
  body: fc.oneof(fc.json(), fc.string(), dialect).map((text) => Buffer.from(text)),
});

describe('any request', () => {
  test('is parsed, or refused with a code', () => {
    const codes = new Map<string | null, number>();
    fc.assert(
      fc.property(request, (raw) => {
        const code = codeOf(raw);
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }),
      { numRuns: 10_000 },
    );
    // Both must happen: a parser that refuses everything would have the property too.
    expect(codes.get(null)).toBeGreaterThan(500);
    expect(codes.get('PGRST100')).toBeGreaterThan(500);
    expect([...codes.keys()].every((code) => code === null || /^PGRST1\d\d$/.test(code))).toBe(true);
  });

  test('to a relation is parsed, or refused for its query string', () => {
    let read = 0;
    fc.assert(
      fc.property(query, (text) => {
        const code = codeOf({
          method: 'GET',
          path: '/films',
          query: text,
          headers: {},
          body: Buffer.alloc(0),
        });
        expect([null, 'PGRST100', 'PGRST103']).toContain(code);
        if (code === null) read++;
      }),
      { numRuns: 10_000 },
    );
    expect(read).toBeGreaterThan(500);
  });
});

describe('a huge query string', () => {
  const mega = 200_000;
  test.each<[what: string, query: string, code: string | null]>([
    ['a long value', `id=eq.${'x'.repeat(mega)}`, null],
    ['a value without an operator', `id=${'x'.repeat(mega)}`, 'PGRST100'],
    ['a list', `id=in.(${'"a",'.repeat(mega / 4)}1)`, null],
    ['quotes that do not close', `id=in.(${'"a,{'.repeat(mega / 4)}`, 'PGRST100'],
    ['arrays that do not close', `or=(${'a.cs.{x,'.repeat(mega / 8)}`, 'PGRST100'],
    ['backslashes', `select=${'"\\'.repeat(mega / 2)}`, 'PGRST100'],
    ['many columns', `select=${'a,'.repeat(mega / 2)}b`, null],
    ['many embeds', `select=${'a(),'.repeat(mega / 4)}b`, null],
    ['many terms', `order=${'a(b),'.repeat(mega / 5)}b`, null],
    ['a long path', `${'a.'.repeat(mega / 2)}b=eq.1`, null],
    ['a long json path', `select=a${'->b'.repeat(mega / 3)}`, null],
    ['many parameters', 'a=eq.1&'.repeat(mega / 7), null],
    ['separators', '&'.repeat(mega), null],
    ['stray escapes', `a=eq.${'%'.repeat(mega)}`, null],
    ['deep logic', `and=(${'not.or('.repeat(mega / 7)}`, 'PGRST100'],
    ['deep embeds', `select=${'a('.repeat(mega / 2)}`, 'PGRST100'],
    ['deep having', `having=${'and('.repeat(mega / 4)}`, 'PGRST100'],
  ])('with %s takes time in proportion', (_what, text, code) => {
    const started = performance.now();
    expect(codeOf(rawRequest(`GET /films?${text}`))).toBe(code);
    // Below a second, even on a busy machine; quadratic work takes minutes.
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('the shortcut of a grammar and the full grammar', () => {
  const plainName = fc.constantFrom('id', 'a1', 'count', 'not', 'and', 'left', '_x');

  test('parse select alike', () => {
    const item = fc.letrec<{ item: string }>((tie) => ({
      item: fc.oneof(
        { depthSize: 'small' },
        plainName,
        fc.tuple(plainName, plainName).map(([alias, of]) => `${alias}:${of}`),
        fc
          .tuple(plainName, fc.constantFrom('', '!inner', '!left'), fc.array(tie('item'), { maxLength: 3 }))
          .filter(([of]) => of !== 'count')
          .map(([of, join, inside]) => `${of}${join}(${inside.join(',')})`),
      ),
    })).item;
    fc.assert(
      fc.property(fc.array(item, { maxLength: 4 }), (items) => {
        const text = items.join(',');
        // Quotes around a name prevent the shortcuts, and mean nothing.
        const quoted = text.replace(/!?\w+/g, (word) => (word.startsWith('!') ? word : `"${word}"`));
        expect(parse(selectItems, 'select', text)).toEqual(parse(selectItems, 'select', quoted));
      }),
    );
  });

  test('parse conditions and orders alike', () => {
    const condition = fc
      .tuple(
        plainName,
        fc.constantFrom('', 'not.'),
        fc.constantFrom('eq', 'neq', 'gt', 'gte', 'lt', 'lte'),
        fc.constantFrom('', '1', 'a b', 'x.y', '-'),
      )
      .map(([of, not, operator, value]) => ({ of, rest: `.${not}${operator}.${value}` }));
    const term = fc
      .tuple(
        plainName,
        fc.constantFrom('', '.asc', '.desc'),
        fc.constantFrom('', '.nullsfirst', '.nullslast'),
      )
      .map(([of, way, nulls]) => ({ of, rest: `${way}${nulls}` }));
    fc.assert(
      fc.property(
        fc.array(condition, { minLength: 1, maxLength: 3 }),
        fc.array(term, { minLength: 1, maxLength: 3 }),
        (conditions, terms) => {
          const plain = requestOf(
            `GET /films?or=(${conditions.map(({ of, rest }) => of + rest).join(',')})&order=${terms.map(({ of, rest }) => of + rest).join(',')}`,
          ).query;
          const quoted = requestOf(
            `GET /films?or=(${conditions.map(({ of, rest }) => `"${of}"${rest}`).join(',')})&order=${terms.map(({ of, rest }) => `"${of}"${rest}`).join(',')}`,
          ).query;
          expect(plain.logic).toEqual(quoted.logic);
          expect(plain.order).toEqual(quoted.order);
        },
      ),
    );
  });
});

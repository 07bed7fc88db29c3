import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseRequest } from '../../../src/rest/request/parse-request.ts';
import type { FilterValue } from '../../../src/rest/request/query.ts';
import { requestShape } from '../../../src/rest/request/shape.ts';
import type { RequestParts } from './request-of.ts';
import { rawRequest, restOptions } from './request-of.ts';

function keyOf(line: string, parts: RequestParts = {}): string | undefined {
  return requestShape(rawRequest(line, parts))?.key;
}

describe('the shape of a request', () => {
  test.each([
    ['GET /films?id=eq.1', 'GET /films?id=eq.2'],
    ['GET /films?id=eq.1&name=neq.a%20b', 'GET /films?id=eq.&name=neq.c+d'],
    ['GET /films?select=*&a=gte.1&b=lte.2', 'GET /films?select=*&a=gte.3&b=lte.4'],
  ])('%s is that of %s', (one, other) => {
    expect(keyOf(one)).toBeTypeOf('string');
    expect(keyOf(one)).toBe(keyOf(other));
  });

  test.each([
    ['GET /films?id=eq.1', 'GET /actors?id=eq.1'],
    ['GET /films?id=eq.1', 'GET /films?id=neq.1'],
    ['GET /films?id=eq.1', 'GET /films?ip=eq.1'],
    ['GET /films?id=like.1', 'GET /films?id=like.2'],
    ['GET /films?id=in.(1)', 'GET /films?id=in.(2)'],
    ['GET /films?id=is.null', 'GET /films?id=is.true'],
    ['GET /films?id=not.eq.1', 'GET /films?id=not.eq.2'],
    ['GET /films?a.id=eq.1', 'GET /films?a.id=eq.2'],
    ['GET /films?"id"=eq.1', 'GET /films?"id"=eq.2'],
    ['GET /films?limit=1', 'GET /films?limit=2'],
    ['GET /films?select=eq.1', 'GET /films?select=eq.2'],
    ['GET /films?order=eq.1', 'GET /films?order=eq.2'],
    ['GET /films?a=eq.1&b=eq.1', 'GET /films?a=eq.1'],
  ])('%s is not that of %s', (one, other) => {
    expect(keyOf(one)).not.toBe(keyOf(other));
  });

  test.each(['accept', 'prefer', 'range', 'accept-profile'])('depends on %s', (name) => {
    const keys = [{}, { [name]: '' }, { [name]: 'a' }, { [name]: 'b' }].map((headers) =>
      keyOf('GET /films', { headers }),
    );
    expect(new Set(keys).size).toBe(4);
  });

  test.each(['POST /films', 'HEAD /films', 'GET /rpc/f?a=1', 'GET /', 'GET /a/b', 'GET /films?id=eq.%ff'])(
    '%s has none',
    (line) => {
      expect(requestShape(rawRequest(line))).toBeNull();
    },
  );

  test('holds the decoded values in order', () => {
    expect(requestShape(rawRequest('GET /films?b=eq.a+b&limit=1&a=gt.%E4%B8%AD&c=in.(1)'))?.values).toEqual([
      'a b',
      '中',
    ]);
  });
});

const names = fc.constantFrom(
  'id',
  'name',
  'a.b',
  '"q"',
  'select',
  'limit',
  'distinct',
  'having',
  'after',
  'or',
  'a b',
);
const values = fc.oneof(
  fc
    .tuple(fc.constantFrom('eq.', 'neq.', 'gt.', 'gte.', 'lt.', 'lte.', 'like.', 'not.eq.', ''), fc.string())
    .map((parts) => parts.join('')),
  fc.constantFrom('is.null', 'in.(1,2)', '5', '(a.eq.1)', 'count().gt.1', 'true'),
);
const parameter = fc
  .tuple(names, values)
  .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);

test('a request with its placeholders filled in is the original request', () => {
  let compared = 0;
  fc.assert(
    fc.property(fc.array(parameter, { maxLength: 5 }), (parameters) => {
      const raw = rawRequest(`GET /films?${parameters.join('&')}`);
      const shape = requestShape(raw);
      if (shape === null) return;
      const plain = outcome(() => parseRequest(raw, restOptions));
      const general = outcome(() => {
        const request = parseRequest(raw, restOptions, { placeholders: true });
        return { ...request, query: filled(request.query, shape.values) };
      });
      if (!(plain instanceof Error)) compared++;
      expect(general).toEqual(plain);
    }),
    { numRuns: 2000 },
  );
  expect(compared).toBeGreaterThan(100);
});

function outcome(make: () => unknown): unknown {
  try {
    return make();
  } catch (error) {
    return error;
  }
}

/** The same data, with each placeholder replaced by its value. */
function filled(data: unknown, given: readonly string[]): unknown {
  if (Array.isArray(data)) return data.map((each) => filled(each, given));
  if (typeof data !== 'object' || data === null) return data;
  if (isPlaceholder(data)) return given[data.placeholder];
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, filled(value, given)]));
}

function isPlaceholder(data: object): data is Exclude<FilterValue, string> {
  return 'placeholder' in data;
}

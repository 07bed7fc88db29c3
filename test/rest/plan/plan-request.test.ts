import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RestError } from '../../../src/rest/errors.ts';
import { planRequest } from '../../../src/rest/plan/plan-request.ts';
import type { MediaType } from '../../../src/rest/request/media-type.ts';
import type { Action, ApiRequest } from '../../../src/rest/request/query.ts';
import { anyRequest } from './any-request.ts';
import { films } from './films.ts';
import {
  call,
  embed,
  filter,
  get,
  options,
  order,
  plain,
  planOf,
  refusalOf,
  request,
  select,
  write,
} from './requests.ts';

describe('an unknown table', () => {
  test.each(['read', 'insert', 'update', 'upsert-one', 'delete'] as const)('is refused by %s', (kind) => {
    const asked = kind === 'read' ? get('film') : write(kind, 'film');
    expect(refusalOf(asked, films)).toEqual({
      code: 'PGRST205',
      message: "Could not find the table 'api.film' in the schema cache",
      details: null,
      hint: "Perhaps you meant the table 'api.films'",
    });
  });

  test('is refused without a guess when no name is close', () => {
    expect(refusalOf(get('filming_sites'), films)).toMatchObject({ code: 'PGRST205', hint: null });
  });
});

describe('OPTIONS', () => {
  const allow = (action: Action) => planOf('options', request(action), films).allow;

  test('lists the methods of a relation', () => {
    expect(allow({ kind: 'relation-options', schema: 'api', name: 'films' })).toBe(
      'OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE',
    );
    expect(allow({ kind: 'relation-options', schema: 'api', name: 'pivots' })).toBe('OPTIONS,GET,HEAD');
    expect(refusalOf(request({ kind: 'relation-options', schema: 'api', name: 'no' }), films).code).toBe(
      'PGRST205',
    );
  });

  test('lists the methods of a function', () => {
    expect(allow({ kind: 'routine-options', schema: 'api', name: 'all_films' })).toBe(
      'OPTIONS,GET,HEAD,POST',
    );
    expect(allow({ kind: 'routine-options', schema: 'api', name: 'clear_films' })).toBe('OPTIONS,POST');
    expect(refusalOf(request({ kind: 'routine-options', schema: 'api', name: 'no' }), films).code).toBe(
      'PGRST202',
    );
  });

  test('lists the methods of the root', () => {
    expect(allow({ kind: 'root-options' })).toBe('OPTIONS,GET,HEAD');
  });
});

describe('the root', () => {
  const root = (...accept: readonly MediaType[]) =>
    request({ kind: 'describe', schema: 'api', headersOnly: false }, { accept });

  test.each([
    ['openapi', ['application/openapi+json']],
    ['openapi', ['application/json', 'text/html']],
    ['openapi', ['image/png', '*/*']],
    ['html', ['text/html', 'application/xml', '*/*']],
  ] as const)('is %s for Accept %j', (format, accept) => {
    expect(planOf('describe', root(...accept.map(plain)), films).format).toBe(format);
  });

  test('has only that', () => {
    expect(refusalOf(root(plain('text/csv'), { kind: 'object', stripNulls: false }), films)).toMatchObject({
      code: 'PGRST107',
      message: 'None of these media types are available: text/csv, application/vnd.pgrst.object+json',
    });
  });
});

describe('unknown preferences', () => {
  const preferences = { handling: 'strict', invalid: ['a', 'b=c'] } as const;

  test('are refused with strict handling', () => {
    expect(refusalOf(get('films', { preferences }), films)).toEqual({
      code: 'PGRST122',
      message: 'Invalid preferences given with handling=strict',
      details: 'Invalid preferences: a, b=c',
      hint: null,
    });
    expect(planOf('read', get('films', { preferences: { invalid: ['a'] } }), films).kind).toBe('read');
  });

  test('are checked after the media type in reads and calls, and before it in writes', () => {
    const said = { preferences, accept: [plain('a/b')] };
    expect(refusalOf(get('films', said), films).code).toBe('PGRST107');
    expect(refusalOf(call('get', 'all_films', said), films).code).toBe('PGRST107');
    expect(refusalOf(write('delete', 'films', said), films).code).toBe('PGRST122');
  });
});

describe('among several faults', () => {
  const wrong = {
    filters: [filter('nothing.id')],
    select: [embed('no_relation'), select('id', { aggregate: 'count' as const })],
    order: [{ path: [], value: [order('reviews(id)')] }],
  };

  test('the table is reported first, then paths, relationships, orders, aggregates and the media type', () => {
    const off = { aggregatesEnabled: false };
    const accept = [plain('a/b')];
    expect(refusalOf(get('film', { query: wrong, accept }), films, off).code).toBe('PGRST205');
    expect(refusalOf(get('films', { query: wrong, accept }), films, off).code).toBe('PGRST108');
    const related = { ...wrong, filters: [] };
    expect(refusalOf(get('films', { query: related, accept }), films, off).code).toBe('PGRST200');
    const ordered = { ...related, select: [embed('reviews'), ...wrong.select.slice(1)] };
    expect(refusalOf(get('films', { query: ordered, accept }), films, off).code).toBe('PGRST118');
    const aggregated = { select: ordered.select };
    expect(refusalOf(get('films', { query: aggregated, accept }), films, off).code).toBe('PGRST123');
    expect(refusalOf(get('films', { query: aggregated, accept }), films).code).toBe('PGRST107');
  });

  test('the last path is reported', () => {
    const filters = [filter('first.id'), filter('last.id')];
    expect(refusalOf(get('films', { query: { filters } }), films).message).toContain("'last'");
  });
});

test('planning is total: every request ends in a plan, or in a refusal with a code', () => {
  const outcomes = new Map<string, number>();
  fc.assert(
    fc.property(anyRequest, fc.boolean(), (asked, legacyTargetNames) => {
      const outcome = outcomeOf(asked, legacyTargetNames);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }),
    { numRuns: 4_000 },
  );
  // The requests got further than their first name.
  expect([...outcomes.keys()]).toEqual(
    expect.arrayContaining([
      'read',
      'mutate',
      'call',
      'options',
      'describe',
      'PGRST108',
      'PGRST200',
      'PGRST205',
    ]),
  );
});

function outcomeOf(asked: ApiRequest, legacyTargetNames: boolean): string {
  try {
    return planRequest(asked, films, { ...options, legacyTargetNames, maxRows: 100 }).kind;
  } catch (error) {
    if (error instanceof RestError) return error.code;
    throw error;
  }
}

import * as fc from 'fast-check';
import type { Exchange } from '../conformance/conformance-case.ts';
import { bodies } from './bodies.ts';
import { films, functions, relations, writable } from './known-names.ts';
import { queryString } from './query-strings.ts';
import type { Parameter } from './query-strings.ts';
import { asQuery, encode, marker, name, value } from './texts.ts';

/** A generated request. Its target is percent-encoded. */
export type FuzzRequest = Pick<Exchange, 'method' | 'target' | 'headers' | 'body'>;

/**
 * Requests to the conformance suite's schema: most follow the grammar and name existing objects, some name missing
 * ones, and some are torn or wild. None is a request that PostgREST itself answers with a 5xx (a function that raises
 * one, a view that cannot be written, one row upserted twice).
 */
export function fuzzRequests(): fc.Arbitrary<FuzzRequest> {
  return fc.oneof(
    { weight: 8, arbitrary: reads() },
    { weight: 2, arbitrary: calls() },
    { weight: 2, arbitrary: writes() },
    { weight: 1, arbitrary: wildTargets() },
  );
}

function reads(): fc.Arbitrary<FuzzRequest> {
  const ofEach = Object.entries(relations).map(([relation, known]) =>
    fc
      .tuple(fc.constantFrom('GET', 'GET', 'GET', 'GET', 'HEAD', 'OPTIONS'), queryString(known), headers)
      .map(([method, asked, sent]): FuzzRequest => ({
        method,
        target: `/${encode(relation)}?${asked}`,
        headers: sent,
        body: null,
      })),
  );
  return fc.oneof(...ofEach);
}

function calls(): fc.Arbitrary<FuzzRequest> {
  const ofEach = Object.entries(functions).map(([routine, known]) => {
    const own = known === '' ? [] : known.split(' ');
    const all = fc.tuple(...own.map((key) => value.map((of): Parameter => [key, of])));
    const some = fc.array(fc.tuple(name(['a', 'b', ...own]), value), { maxLength: 3 });
    return fc
      .tuple(
        fc.constantFrom('GET', 'GET', 'HEAD', 'POST'),
        fc.oneof({ weight: 3, arbitrary: all }, some),
        queryString(films),
        headers,
        bodies(['a', ...own]),
      )
      .map(([method, given, asked, sent, { body, type }]): FuzzRequest =>
        method === 'POST'
          ? {
              method,
              target: `/rpc/${encode(routine)}?${asked}`,
              headers: [...sent, ['Content-Type', type]],
              body,
            }
          : {
              method,
              target: `/rpc/${encode(routine)}?${asQuery(given)}&${asked}`,
              headers: sent,
              body: null,
            },
      );
  });
  return fc.oneof(...ofEach);
}

function writes(): fc.Arbitrary<FuzzRequest> {
  const ofEach = writable.map((relation) => {
    const known = relations[relation] ?? films;
    return fc
      .tuple(
        fc.constantFrom('POST', 'PATCH', 'PUT', 'DELETE'),
        queryString(known),
        headers,
        bodies(known.columns),
      )
      .map(([method, asked, sent, { body, type }]): FuzzRequest => ({
        method,
        target: `/${encode(relation)}?${asked}`,
        headers: [...sent, ['Content-Type', type]],
        body,
      }));
  });
  return fc.oneof(...ofEach);
}

/** Paths and queries with any characters that HTTP allows, including broken percent-encodings. */
function wildTargets(): fc.Arbitrary<FuzzRequest> {
  const raw = fc
    .array(
      fc.constantFrom(
        ..."ab./?&=;:,()*!'~$-_+@",
        marker,
        '%',
        '%2',
        '%zz',
        '%00',
        '%ff',
        '%c3%28',
        '%22',
        'select=',
        'or=',
        'films',
        'rpc/',
      ),
      { maxLength: 14 },
    )
    .map((parts) => parts.join(''));
  return fc
    .tuple(
      fc.constantFrom('GET', 'HEAD', 'POST', 'DELETE'),
      fc.constantFrom('/', '/vaults?', '/films?select=', '/rpc/add?'),
      raw,
    )
    .map(([method, start, rest]): FuzzRequest => ({
      method,
      target: start + rest,
      headers: [],
      body: method === 'POST' ? '{}' : null,
    }));
}

const headers: fc.Arbitrary<readonly Parameter[]> = fc
  .tuple(
    fc.constantFrom(
      '',
      '',
      'count=exact',
      'count=planned',
      'count=estimated',
      'return=representation',
      'return=representation',
      'return=headers-only',
      'resolution=merge-duplicates, return=representation',
      'resolution=ignore-duplicates',
      'missing=default, return=representation',
      'handling=strict, max-affected=1',
      'timezone=Nowhere/Land',
      'handling=strict, zq',
    ),
    fc.constantFrom(
      '',
      '',
      '',
      '',
      '',
      '*/*',
      'text/csv',
      'application/vnd.pgrst.object+json',
      'application/vnd.pgrst.array+json;nulls=stripped',
      'application/vnd.pgrst.plan+json',
      'zq/zq',
    ),
    fc.constantFrom('', '', '', '', '0-1', '5-2', '2-', 'zq'),
  )
  .map(([prefer, accept, range]) =>
    (
      [
        ['Prefer', prefer],
        ['Accept', accept],
        ['Range', range],
      ] as const
    ).filter(([, text]) => text !== ''),
  );

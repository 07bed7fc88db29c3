import { describe, expect, test } from 'vitest';
import { PlanCache } from '../../src/rest/plan-cache.ts';
import type { PlannedRequest } from '../../src/rest/compile.ts';
import { planRequest } from '../../src/rest/plan/plan-request.ts';
import { parseRequest } from '../../src/rest/request/parse-request.ts';
import { requestStatements } from '../../src/rest/sql/print-plan.ts';
import { films } from './plan/films.ts';
import { rawRequest, restOptions } from './request/request-of.ts';
import type { RequestParts } from './request/request-of.ts';

const options = { ...restOptions, schemas: ['api'], aggregatesEnabled: true, maxRows: 100 };

function ask(cache: PlanCache, line: string, parts: RequestParts = {}): PlannedRequest {
  return cache.plan(rawRequest(line, parts), films, options, Infinity, null);
}

/** The outcome of a request without a cache. */
function fresh(line: string, parts: RequestParts = {}) {
  const request = parseRequest(rawRequest(line, parts), options);
  const plan = planRequest(request, films, options);
  if (plan.kind === 'describe' || plan.kind === 'options') throw new Error(plan.kind);
  return { canonical: request.query.canonical, statements: requestStatements(plan, request, options) };
}

const lines = [
  'GET /films?id=eq.1',
  'GET /films?id=eq.2',
  'GET /films?id=eq.2&id=gt.1',
  'GET /films?title=neq.a%20b%26c&id=lte.7&select=id,title',
  'GET /films?title=eq.&select=id',
  'GET /films?title=eq.%C3%BC',
  'GET /films?title=eq.x+y',
  'GET /films?title=not.eq.x&id=in.(1,2)&or=(id.eq.1,id.eq.2)',
  'GET /films?data->a=eq.1&tags=cs.%7Ba%7D',
  'GET /films?select=title,directors(name)&directors.name=eq.Lang&limit=5&order=title.desc',
  'GET /films?title=like.*x*&title=fts.y',
  'GET /paints?color=eq.red',
  'GET /paints?color=eq.blue',
];

describe('the plan of a read', () => {
  test.each(lines)('is what it would be without a cache: %s', (line) => {
    const cache = new PlanCache();
    for (const count of ['exact', 'planned', 'estimated']) {
      const parts = { headers: { prefer: `count=${count}` } };
      const expected = fresh(line, parts);
      for (let times = 0; times < 3; times++) {
        const { request, statements } = ask(cache, line, parts);
        expect({ canonical: request.query.canonical, statements }).toEqual(expected);
      }
    }
  });

  test('is one plan for each shape, with the values of each request', () => {
    const cache = new PlanCache();
    const first = ask(cache, 'GET /films?id=eq.1&select=id');
    const second = ask(cache, 'GET /films?id=eq.22&select=id');
    expect(second.plan).toBe(first.plan);
    expect([first, second].map(({ statements }) => statements?.main.values)).toEqual([['1'], ['22']]);
    expect(cache.size).toBe(1);
  });

  test.each([
    ['GET /films?id=eq.1', 'GET /films?id=neq.1', {}],
    ['GET /films?id=eq.1', 'GET /reviews?id=eq.1', {}],
    ['GET /films?id=eq.1', 'GET /films?director_id=eq.1', {}],
    ['GET /films?id=eq.1', 'GET /films?id=eq.1&select=id', {}],
    ['GET /films?id=eq.1', 'GET /films?id=eq.1', { headers: { accept: 'text/csv' } }],
    ['GET /films?id=eq.1', 'GET /films?id=eq.1', { headers: { prefer: 'count=exact' } }],
    ['GET /films?id=eq.1', 'GET /films?id=eq.1', { headers: { range: '0-1' } }],
  ])('%s is not that of %s %o', (one, other, parts) => {
    const cache = new PlanCache();
    ask(cache, one);
    expect(ask(cache, other, parts).statements).toEqual(fresh(other, parts).statements);
    expect(cache.size).toBe(2);
  });

  test('does not outlive its catalog or its options', () => {
    const cache = new PlanCache();
    const before = ask(cache, 'GET /films?id=eq.1');
    const raw = rawRequest('GET /films?id=eq.1');
    const reloaded = cache.plan(raw, { ...films }, options, Infinity, null);
    expect(reloaded.plan).not.toBe(before.plan);
    const narrower = cache.plan(raw, { ...films }, { ...options, maxRows: 1 }, Infinity, null);
    expect(narrower.statements?.main.text).not.toBe(reloaded.statements?.main.text);
    expect(cache.size).toBe(1);
  });

  test('is one of at most a thousand, and those in use stay', () => {
    const cache = new PlanCache();
    const kept = ask(cache, 'GET /films?id=eq.1');
    for (let n = 0; n < 1_500; n++) {
      ask(cache, `GET /films?limit=${n}`);
      expect(ask(cache, `GET /films?id=eq.${n}`).plan).toBe(kept.plan);
    }
    expect(cache.size).toBe(1_000);
  });

  test('is not remembered when the request is refused, which it is each time', () => {
    const cache = new PlanCache();
    for (let times = 0; times < 2; times++) {
      expect(() => ask(cache, 'GET /nothing?id=eq.1')).toThrow(expect.objectContaining({ code: 'PGRST205' }));
      expect(() => ask(cache, 'GET /films?id=eq.%FF')).toThrow(expect.objectContaining({ code: 'PGRST100' }));
    }
    expect(cache.size).toBe(0);
  });
});

describe('the plan of a POST', () => {
  const json = { 'content-type': 'application/json' };

  test.each<[string, Readonly<Record<string, string>>, readonly string[]]>([
    ['POST /films', json, ['{"title":"a"}', '{"title":"b, [c]"}', ' {"title":null}']],
    ['POST /films', json, ['[{"title":"a"},{"title":"b"}]', '[{"title":"c"}]', '{"title":"d"}', '[]', '{}']],
    ['POST /films', json, ['{"title":"a","id":1}', '{"id":2,"title":"b"}', '{"id":3}', '7']],
    ['POST /films', { ...json, prefer: 'return=representation, missing=default' }, ['{"title":"a"}', '{}']],
    ['POST /films?columns=title', json, ['{"title":"a"}', '{"x":1}', '[{"title":"b"}]']],
    ['POST /films', { 'content-type': 'text/csv' }, ['title\na', 'title,id\nb,1']],
    ['POST /films', { 'content-type': 'application/x-www-form-urlencoded' }, ['title=a', 'title=b&id=1']],
    ['POST /paints', json, ['{"color":"red"}', '[{"color":"blue"}]']],
    ['POST /rpc/clear_films', json, ['', '{}']],
    ['POST /rpc/all_films?title=eq.x', json, ['{}', '']],
  ])('%s %o is what it would be without a cache, for each of %o', (line, headers, bodies) => {
    const cache = new PlanCache();
    for (let times = 0; times < 2; times++) {
      for (const body of bodies) {
        const parts = { headers, body };
        const { request, statements } = ask(cache, line, parts);
        expect({ canonical: request.query.canonical, statements }).toEqual(fresh(line, parts));
        expect(request).toEqual(parseRequest(rawRequest(line, parts), options));
      }
    }
  });

  test('is one plan for the same keys', () => {
    const cache = new PlanCache();
    const plans = ['{"title":"a"}', '{"title":"b"}'].map((body) =>
      ask(cache, 'POST /films', { headers: json, body }),
    );
    expect(plans[1]?.plan).toBe(plans[0]?.plan);
    expect(plans.map(({ statements }) => statements?.main.values?.[0])).toEqual([
      '{"title":"a"}',
      '{"title":"b"}',
    ]);
    expect(cache.size).toBe(1);
  });

  test('is refused each time when its body cannot be read', () => {
    const cache = new PlanCache();
    ask(cache, 'POST /films', { headers: json, body: '{"title":"a"}' });
    for (const [body, code] of [
      ['{', 'PGRST102'],
      ['[{"title":"a"},{"id":1}]', 'PGRST102'],
      ['{"nothing":1}', 'PGRST204'],
    ] as const) {
      expect(() => ask(cache, 'POST /films', { headers: json, body })).toThrow(
        expect.objectContaining({ code }),
      );
    }
  });
});

test('other writes and calls by GET are planned each time', () => {
  const cache = new PlanCache();
  expect(ask(cache, 'DELETE /films?id=eq.1').statements).toEqual(fresh('DELETE /films?id=eq.1').statements);
  ask(cache, 'GET /rpc/all_films');
  expect(cache.size).toBe(0);
});

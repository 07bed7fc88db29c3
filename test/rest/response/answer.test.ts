import { describe, expect, test } from 'vitest';
import { RestError } from '../../../src/rest/errors.ts';
import { planRequest } from '../../../src/rest/plan/plan-request.ts';
import { answer, answerOptions } from '../../../src/rest/response/answer.ts';
import type { RestResponse } from '../../../src/rest/response/rest-response.ts';
import type { ResultRow } from '../../../src/rest/sql/request-statements.ts';
import { films } from '../plan/films.ts';
import { requestOf, restOptions } from '../request/request-of.ts';
import type { RequestParts } from '../request/request-of.ts';

/** The result row of a page of three films, with the given differences. */
interface Said {
  readonly total?: string;
  readonly count?: string;
  readonly body?: string | Buffer | null;
  readonly headers?: string;
  readonly status?: string;
  readonly location?: readonly string[];
  readonly inserted?: string;
  readonly cursor?: string;
  readonly planned?: number;
  readonly maxRows?: number;
}

const options = {
  ...restOptions,
  schemas: ['api'],
  planEnabled: true,
  plannerCounts: true,
  transactionEnd: 'commit-allow-override',
} as const;

function answered(line: string, parts: RequestParts, said: Said = {}): RestResponse {
  const own = { ...options, maxRows: said.maxRows ?? null };
  const request = requestOf(line, parts, own);
  const plan = planRequest(request, films, own);
  if (plan.kind === 'describe' || plan.kind === 'options') throw new Error(`${line} asks nothing of tables`);
  const row: ResultRow = [
    said.total ?? null,
    said.count ?? '3',
    said.body === undefined ? '[1,2,3]' : said.body,
    said.headers ?? null,
    said.status ?? null,
    said.location ?? null,
    said.inserted ?? null,
    said.cursor ?? null,
  ];
  const explainCount = said.planned === undefined ? null : [[[{ Plan: { 'Plan Rows': said.planned } }]]];
  return answer(plan, request, { main: [row], explainCount }, own, '');
}

const json = { 'content-type': 'application/json' };
const film = '{"title":"Metropolis"}';

describe('a read', () => {
  test('states its type, its range and its length', () => {
    expect(answered('GET /films?title=eq.a%20b&select=id', {})).toEqual({
      status: 200,
      headers: [
        ['Content-Range', '0-2/*'],
        ['Content-Location', '/films?select=id&title=eq.a%20b'],
        ['Content-Length', '7'],
        ['Content-Type', 'application/json; charset=utf-8'],
      ],
      body: '[1,2,3]',
    });
    expect(answered('GET /films', {}).headers).toContainEqual(['Content-Location', '/films']);
    const long = answered(`GET /films?title=eq.${'x'.repeat(3_000)}`, {}).headers;
    expect(long.map(([name]) => name)).not.toContain('Content-Location');
  });

  test('counts bytes, not characters', () => {
    expect(answered('GET /films', {}, { body: '["ä"]' }).headers).toContainEqual(['Content-Length', '6']);
    const bytes = Buffer.from([1, 2, 3]);
    expect(answered('GET /films', {}, { body: bytes })).toMatchObject({ body: bytes });
  });

  test('by HEAD has everything except body and length', () => {
    const { body, headers } = answered('HEAD /films', {}, { body: null });
    expect(body).toBeNull();
    expect(headers.map(([name]) => name)).toEqual(['Content-Range', 'Content-Location', 'Content-Type']);
  });

  test.each<[string, Said, number, string]>([
    ['GET /films', { total: '3' }, 200, '0-2/3'],
    ['GET /films?limit=3', { total: '8' }, 206, '0-2/8'],
    ['GET /films?limit=3&offset=5', { total: '8' }, 206, '5-7/8'],
    ['GET /films?offset=8', { total: '8', count: '0' }, 206, '*/8'],
    ['GET /films', { total: '0', count: '0' }, 200, '*/0'],
    ['GET /films?offset=9', { total: '8', count: '0' }, 416, '*/8'],
    ['GET /films', { count: '0' }, 200, '*/*'],
  ])('%s with %o is a %i of %s', (line, said, status, range) => {
    const reply = answered(line, { headers: { prefer: 'count=exact' } }, said);
    expect(reply.status).toBe(status);
    expect(reply.headers).toContainEqual(['Content-Range', range]);
  });

  test('beyond the end states how many rows there are', () => {
    const { body } = answered(
      'GET /films?offset=9',
      { headers: { prefer: 'count=exact' } },
      { total: '8', count: '0' },
    );
    expect(JSON.parse(String(body))).toEqual({
      code: 'PGRST103',
      details: 'An offset of 9 was requested, but there are only 8 rows.',
      hint: null,
      message: 'Requested range not satisfiable',
    });
  });

  test.each<[string, Said, string]>([
    ['planned', { planned: 77 }, '0-2/77'],
    ['estimated', { total: '3', planned: 77, maxRows: 3 }, '0-2/3'],
    ['estimated', { total: '4', planned: 77, maxRows: 3 }, '0-2/77'],
    ['estimated', { total: '4', planned: 2, maxRows: 3 }, '0-2/4'],
    ['estimated', { total: '4', planned: 77 }, '0-2/77'],
  ])('counted as %s with %o is %s', (count, said, range) => {
    const { headers } = answered('GET /films', { headers: { prefer: `count=${count}` } }, said);
    expect(headers).toContainEqual(['Content-Range', range]);
    expect(headers).toContainEqual(['Preference-Applied', `count=${count}`]);
  });

  test('for a single object has one row, or is refused', () => {
    const accept = 'application/vnd.pgrst.object+json';
    expect(answered('GET /films', { headers: { accept } }, { count: '1', body: '{}' })).toMatchObject({
      status: 200,
    });
    for (const count of ['0', '2']) {
      const refused = () => answered('GET /films', { headers: { accept } }, { count });
      expect(refused).toThrow(RestError);
      expect(refused).toThrow(
        expect.objectContaining({ code: 'PGRST116', details: `The result contains ${count} rows` }),
      );
    }
  });

  test('of a keyset gives the cursor of the next page', () => {
    expect(answered('GET /films?after=&order=id', {}, { cursor: 'WyIzIl0' }).headers).toContainEqual([
      'Next-Cursor',
      'WyIzIl0',
    ]);
  });

  test('names the schema when it was negotiated', () => {
    const { headers } = answered('GET /films', { headers: { 'accept-profile': 'api' } });
    expect(headers).toContainEqual(['Content-Profile', 'api']);
  });

  test('is the plan when it is explained', () => {
    const request = requestOf(
      'GET /films',
      { headers: { accept: 'application/vnd.pgrst.plan+text' } },
      options,
    );
    const plan = planRequest(request, films, options);
    if (plan.kind !== 'read') throw new Error(plan.kind);
    const outcome = { main: [['Seq Scan'], ['  Filter']], explainCount: null };
    expect(answer(plan, request, outcome, options, '')).toEqual({
      status: 200,
      headers: [
        ['Content-Length', '18'],
        ['Content-Type', 'application/vnd.pgrst.plan+text; for="application/json"; charset=utf-8'],
      ],
      body: 'Seq Scan\n  Filter\n',
    });
  });
});

describe('an insert', () => {
  const insert = (prefer: string, said: Said = {}) =>
    answered('POST /films', { headers: { ...json, prefer }, body: film }, { count: '1', ...said });

  test('returns nothing unless asked', () => {
    expect(insert('return=minimal', { body: null })).toEqual({
      status: 201,
      headers: [
        ['Content-Length', '0'],
        ['Content-Range', '*/*'],
        ['Preference-Applied', 'return=minimal'],
      ],
      body: null,
    });
  });

  test('returns the rows, and counts them', () => {
    expect(insert('return=representation, count=exact', { body: '[{}]' })).toEqual({
      status: 201,
      headers: [
        ['Content-Length', '4'],
        ['Content-Range', '*/1'],
        ['Preference-Applied', 'return=representation, count=exact'],
        ['Content-Type', 'application/json; charset=utf-8'],
      ],
      body: '[{}]',
    });
  });

  test('tells where the new row is', () => {
    const { headers } = insert('return=headers-only', {
      body: null,
      location: ['id=eq.5', 'näme=eq.a b(c)'],
    });
    expect(headers).toContainEqual(['Location', '/films?id=eq.5&n%C3%A4me=eq.a%20b%28c%29']);
  });

  test.each<[string, Said, number]>([
    ['resolution=merge-duplicates', { inserted: '0' }, 200],
    ['resolution=merge-duplicates', { inserted: '1' }, 201],
    ['resolution=ignore-duplicates', { inserted: '0' }, 201],
  ])('with %s and %o is a %i', (prefer, said, status) => {
    const reply = insert(prefer, said);
    expect(reply.status).toBe(status);
    expect(reply.headers).toContainEqual(['Preference-Applied', prefer]);
  });

  test('does not mention a resolution where nothing can conflict', () => {
    const prefer = 'resolution=merge-duplicates';
    const { headers } = answered(
      'POST /pivots',
      { headers: { ...json, prefer }, body: '{}' },
      { inserted: '1' },
    );
    expect(headers.map(([name]) => name)).not.toContain('Preference-Applied');
  });
});

describe('other writes', () => {
  test.each<[string, string, Said, Partial<RestResponse>]>([
    [
      'PATCH /films',
      'return=minimal',
      { count: '2' },
      {
        status: 204,
        headers: [
          ['Content-Range', '0-1/*'],
          ['Preference-Applied', 'return=minimal'],
        ],
        body: null,
      },
    ],
    ['PATCH /films', 'count=exact', { count: '0' }, { status: 204 }],
    [
      'PATCH /films',
      'return=representation,missing=default,max-affected=5,handling=strict',
      { count: '2', body: '[]' },
      {
        status: 200,
        headers: [
          ['Content-Range', '0-1/*'],
          ['Preference-Applied', 'missing=default, return=representation, handling=strict, max-affected=5'],
          ['Content-Length', '2'],
          ['Content-Type', 'application/json; charset=utf-8'],
        ],
        body: '[]',
      },
    ],
    [
      'DELETE /films',
      'count=exact,tx=rollback',
      { count: '2' },
      {
        status: 204,
        headers: [
          ['Content-Range', '*/2'],
          ['Preference-Applied', 'count=exact, tx=rollback'],
        ],
        body: null,
      },
    ],
    ['DELETE /films', 'return=representation', { count: '2' }, { status: 200, body: '[1,2,3]' }],
  ])('%s, %s', (line, prefer, said, reply) => {
    const body = line.startsWith('DELETE') ? '' : film;
    expect(answered(line, { headers: { ...json, prefer }, body }, said)).toMatchObject(reply);
  });

  test.each<[string, string, number]>([
    ['return=representation', '1', 201],
    ['return=representation', '0', 200],
    ['return=minimal', '1', 204],
  ])('PUT with %s, %s new, is a %i', (prefer, inserted, status) => {
    const body = '{"id":"1","title":"Metropolis"}';
    const reply = answered(
      'PUT /films?id=eq.1',
      { headers: { ...json, prefer }, body },
      { count: '1', inserted },
    );
    expect(reply.status).toBe(status);
    expect(reply.headers.map(([name]) => name)).not.toContain('Content-Range');
  });
});

describe('a call', () => {
  test('returns the result, paged like rows', () => {
    expect(
      answered('GET /rpc/all_films?limit=3', { headers: { prefer: 'count=exact' } }, { total: '8' }),
    ).toMatchObject({
      status: 206,
      headers: [
        ['Content-Range', '0-2/8'],
        ['Preference-Applied', 'count=exact'],
        ['Content-Length', '7'],
        ['Content-Type', 'application/json; charset=utf-8'],
      ],
      body: '[1,2,3]',
    });
  });

  test('to a function that returns nothing is a 204', () => {
    expect(answered('POST /rpc/clear_films', { headers: json }, { count: '1', body: null })).toEqual({
      status: 204,
      headers: [['Content-Range', '0-0/*']],
      body: null,
    });
  });

  test('by HEAD has neither body nor length', () => {
    const { body, headers } = answered('HEAD /rpc/all_films', {}, { body: null });
    expect(body).toBeNull();
    expect(headers.map(([name]) => name)).toEqual(['Content-Range', 'Content-Type']);
  });
});

test('status and headers that functions set replace those of the answer', () => {
  const reply = answered(
    'GET /films',
    {},
    {
      status: '418',
      headers: '[{"content-type":"application/x-film"},{"Set-Cookie":"a=1"},{"Set-Cookie":"b=2"}]',
    },
  );
  expect(reply.status).toBe(418);
  expect(reply.headers.filter(([name]) => /content-type|set-cookie/i.test(name))).toEqual([
    ['content-type', 'application/x-film'],
    ['Set-Cookie', 'a=1'],
    ['Set-Cookie', 'b=2'],
  ]);
});

test('OPTIONS lists the allowed methods', () => {
  const plan = planRequest(requestOf('OPTIONS /films', {}, options), films, options);
  if (plan.kind !== 'options') throw new Error(plan.kind);
  expect(answerOptions(plan)).toEqual({
    status: 200,
    headers: [
      ['Content-Length', '0'],
      ['Allow', 'OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE'],
    ],
    body: null,
  });
});

import { describe, expect, test } from 'vitest';
import type { Action, RowRange } from '../../../src/rest/request/query.ts';
import { refusalOf, requestOf } from './request-of.ts';

const json = { body: '{}' };

describe('path and method determine the action', () => {
  const cases: readonly (readonly [line: string, action: Action])[] = [
    ['GET /films', { kind: 'read', schema: 'api', name: 'films', headersOnly: false }],
    ['HEAD /films', { kind: 'read', schema: 'api', name: 'films', headersOnly: true }],
    ['POST /films', { kind: 'mutate', schema: 'api', name: 'films', mutation: 'insert' }],
    ['PUT /films', { kind: 'mutate', schema: 'api', name: 'films', mutation: 'upsert-one' }],
    ['PATCH /films', { kind: 'mutate', schema: 'api', name: 'films', mutation: 'update' }],
    ['DELETE /films', { kind: 'mutate', schema: 'api', name: 'films', mutation: 'delete' }],
    ['OPTIONS /films', { kind: 'relation-options', schema: 'api', name: 'films' }],
    ['GET /rpc/add', { kind: 'call', schema: 'api', name: 'add', method: 'get' }],
    ['HEAD /rpc/add', { kind: 'call', schema: 'api', name: 'add', method: 'head' }],
    ['POST /rpc/add', { kind: 'call', schema: 'api', name: 'add', method: 'post' }],
    ['OPTIONS /rpc/add', { kind: 'routine-options', schema: 'api', name: 'add' }],
    ['GET /', { kind: 'describe', schema: 'api', headersOnly: false }],
    ['HEAD /', { kind: 'describe', schema: 'api', headersOnly: true }],
    ['OPTIONS /', { kind: 'root-options' }],
    ['GET /rpc', { kind: 'read', schema: 'api', name: 'rpc', headersOnly: false }],
    ['GET /Order%20Items', { kind: 'read', schema: 'api', name: 'Order Items', headersOnly: false }],
    ['GET /a+b', { kind: 'read', schema: 'api', name: 'a+b', headersOnly: false }],
    ['GET /%D9%85', { kind: 'read', schema: 'api', name: 'م', headersOnly: false }],
    ['GET /a%2Fb', { kind: 'read', schema: 'api', name: 'a/b', headersOnly: false }],
  ];

  test.each(cases)('%s', (line, action) => {
    expect(requestOf(line, json).action).toEqual(action);
  });

  test('the root may be a function', () => {
    const options = { rootSpec: { schema: '', name: 'root' } };
    expect(requestOf('GET /', {}, options).action).toEqual({
      kind: 'call',
      schema: 'api',
      name: 'root',
      method: 'get',
    });
  });

  test.each([
    ['GET /a/b', 404, 'PGRST125', 'Invalid path specified in request URL'],
    ['GET /films/', 404, 'PGRST125', 'Invalid path specified in request URL'],
    ['GET /rpc/a/b', 404, 'PGRST125', 'Invalid path specified in request URL'],
    ['GET //', 404, 'PGRST125', 'Invalid path specified in request URL'],
    ['DELETE /rpc/add', 405, 'PGRST101', 'Cannot use the DELETE method on RPC'],
    ['PATCH /rpc/add', 405, 'PGRST101', 'Cannot use the PATCH method on RPC'],
    ['TRACE /films', 405, 'PGRST117', 'Unsupported HTTP method: TRACE'],
    ['POST /', 405, 'PGRST117', 'Unsupported HTTP method: POST'],
  ])('%s is refused', (line, status, code, message) => {
    expect(refusalOf(line, json)).toEqual({ status, code, message, details: null, hint: null });
  });

  test('the root is refused when it is switched off', () => {
    const openapi = {
      document: { version: '3.1' },
      mode: 'disabled',
      securityActive: false,
      serverProxyUri: null,
    } as const;
    expect(refusalOf('GET /', {}, { openapi })).toMatchObject({
      status: 404,
      code: 'PGRST126',
      message: 'Root endpoint metadata is disabled',
    });
  });
});

describe('the schema', () => {
  test.each([
    ['GET /films', 'accept-profile'],
    ['HEAD /films', 'accept-profile'],
    ['GET /rpc/f', 'accept-profile'],
    ['POST /films', 'content-profile'],
    ['PATCH /films', 'content-profile'],
    ['PUT /films', 'content-profile'],
    ['DELETE /films', 'content-profile'],
    ['POST /rpc/f', 'content-profile'],
  ])('of %s is named by %s', (line, header) => {
    expect(requestOf(line, { ...json, headers: { [header]: 'other' } })).toMatchObject({
      schema: 'other',
      profile: 'other',
      action: { schema: 'other' },
    });
    const unrelated = header === 'accept-profile' ? 'content-profile' : 'accept-profile';
    expect(requestOf(line, { ...json, headers: { [unrelated]: 'unknown' } }).schema).toBe('api');
  });

  test('is the first one without a profile, and is negotiated only if there are several', () => {
    expect(requestOf('GET /films')).toMatchObject({ schema: 'api', profile: 'api' });
    expect(requestOf('GET /films', {}, { schemas: ['api'] })).toMatchObject({
      schema: 'api',
      profile: null,
    });
  });

  test('may have an alias, which the answer repeats', () => {
    const options = { schemas: ['api'], schemaAliases: new Map([['public', 'api']]) };
    const asked = { headers: { 'accept-profile': 'public' } };
    expect(requestOf('GET /films', asked, options)).toMatchObject({ schema: 'api', profile: 'public' });
    expect(() => requestOf('GET /films', { headers: { 'accept-profile': 'private' } }, options)).toThrow(
      expect.objectContaining({
        code: 'PGRST106',
        hint: 'Only the following schemas are exposed: api, public',
      }),
    );
    expect(() => requestOf('GET /films', asked, { schemas: ['api'] })).toThrow('Invalid schema: public');
  });

  test('beyond ASCII is read from the bytes that node:http returns', () => {
    const headers = { 'accept-profile': Buffer.from('موارد', 'utf8').toString('latin1') };
    expect(requestOf('GET /films', { headers }, { schemas: ['موارد'] }).schema).toBe('موارد');
  });

  test('is refused when it is not exposed', () => {
    expect(refusalOf('GET /films', { headers: { 'accept-profile': 'secret' } })).toEqual({
      status: 406,
      code: 'PGRST106',
      message: 'Invalid schema: secret',
      details: null,
      hint: 'Only the following schemas are exposed: api, other',
    });
  });
});

describe('the requested rows', () => {
  const cases: readonly (readonly [query: string, range: string | null, rows: RowRange])[] = [
    ['', null, { offset: 0, limit: null }],
    ['limit=5', null, { offset: 0, limit: 5 }],
    ['limit=5&offset=3', null, { offset: 3, limit: 5 }],
    ['offset=3', null, { offset: 3, limit: null }],
    ['limit=0', null, { offset: 0, limit: 0 }],
    ['limit=0', '5-1', { offset: 0, limit: 0 }],
    ['limit=1&limit=2', null, { offset: 0, limit: 2 }],
    ['limit=', null, { offset: 0, limit: null }],
    ['limit=five', null, { offset: 0, limit: null }],
    ['limit=%205%20', null, { offset: 0, limit: 5 }],
    ['offset=-5', null, { offset: 0, limit: null }],
    ['offset=-5&limit=10', null, { offset: 0, limit: 5 }],
    ['limit=99999999999999999999', null, { offset: 0, limit: Number.MAX_SAFE_INTEGER }],
    ['', '0-9', { offset: 0, limit: 10 }],
    ['', '10-', { offset: 10, limit: null }],
    ['', 'bytes=0-9', { offset: 0, limit: null }],
    ['limit=5&offset=5', '2-7', { offset: 5, limit: 3 }],
  ];

  test.each(cases)('%s with Range %s', (query, range, rows) => {
    expect(requestOf(`GET /films?${query}`, { headers: range === null ? {} : { range } }).topRange).toEqual(
      rows,
    );
  });

  test('Range applies to GET only', () => {
    expect(requestOf('HEAD /films', { headers: { range: '5-1' } }).topRange).toEqual({
      offset: 0,
      limit: null,
    });
    expect(requestOf('POST /films', { ...json, headers: { range: '0-1' } }).topRange).toEqual({
      offset: 0,
      limit: null,
    });
  });

  test('of embedded levels are separate', () => {
    const { query, topRange } = requestOf('GET /films?a.limit=5&a.offset=2&a.b.offset=1&c.limit=-1&limit=9');
    expect(query.ranges).toEqual([
      { path: ['a'], value: { offset: 2, limit: 5 } },
      { path: ['a', 'b'], value: { offset: 1, limit: null } },
      { path: ['c'], value: { offset: 0, limit: -1 } },
    ]);
    expect(topRange).toEqual({ offset: 0, limit: 9 });
  });

  test.each([
    ['', '1-0', 'The lower boundary must be lower than or equal to the upper boundary in the Range header.'],
    ['limit=-1', null, 'Limit should be greater than or equal to zero.'],
    ['limit=0&offset=5', null, 'Limit should be greater than or equal to zero.'],
    ['offset=5', '0-1', 'Limit should be greater than or equal to zero.'],
  ])('%s with Range %s is refused', (query, range, details) => {
    expect(refusalOf(`GET /films?${query}`, { headers: range === null ? {} : { range } })).toEqual({
      status: 416,
      code: 'PGRST103',
      message: 'Requested range not satisfiable',
      details,
      hint: null,
    });
  });

  test.each(['limit=1', 'offset=1', 'limit=0'])('PUT refuses %s', (query) => {
    expect(refusalOf(`PUT /films?id=eq.1&${query}`, json)).toEqual({
      status: 400,
      code: 'PGRST114',
      message: 'limit/offset querystring parameters are not allowed for PUT',
      details: null,
      hint: null,
    });
  });
});

describe('other parameters', () => {
  test('have a canonical form that is sorted and encoded, and joins values of the same name', () => {
    expect(requestOf('GET /films?b=eq.1&a=eq.1').query.canonical).toBe('a=eq.1&b=eq.1');
    expect(requestOf('GET /films?select=a,b(*)&d&b=gt.1&b=lt.2').query.canonical).toBe(
      'b=gt.1,lt.2&d=&select=a%2Cb%28%2A%29',
    );
    expect(requestOf('GET /films').query.canonical).toBe('');
  });

  test('may name columns, as columns and on_conflict do', () => {
    const { query } = requestOf('POST /films?columns=id,"a,b", c&on_conflict=id, b', json);
    expect(query).toMatchObject({ columns: ['id', 'a,b', 'c'], onConflict: ['id', 'b'] });
    expect(requestOf('GET /films').query).toMatchObject({ columns: null, onConflict: null });
  });

  test('are refused when columns is blank', () => {
    expect(refusalOf('POST /films?columns=', json)).toEqual({
      status: 400,
      code: 'PGRST100',
      message: '"failed to parse columns parameter ()" (line 1, column 1)',
      details: 'unexpected end of input expecting field name (* or [a..z0..9_$])',
      hint: null,
    });
  });

  test('of a function called by GET are arguments unless they are filters', () => {
    const { query } = requestOf('GET /rpc/f?a=1&b=eq.2&a=3&c=eq&d.e=x&limit=1');
    expect(query.parameters).toEqual([
      ['a', '1'],
      ['a', '3'],
      ['c', 'eq'],
      ['e', 'x'],
    ]);
    expect(query.filters).toHaveLength(1);
    expect(query.filterNames).toEqual(['a', 'b', 'c', 'd.e']);
  });

  test('of a function called by GET are refused when they begin like a list and do not continue like one', () => {
    expect(refusalOf('GET /rpc/f?a=in.5')).toMatchObject({
      code: 'PGRST100',
      details: 'unexpected "5" expecting "("',
    });
  });

  test('of a function called by POST are filters', () => {
    expect(refusalOf('POST /rpc/f?a=1')).toMatchObject({ code: 'PGRST100' });
  });

  test('are separated by & and ;', () => {
    expect(requestOf('GET /films?a=eq.1;b=eq.2&&c=eq.3&').query.filterNames).toEqual(['a', 'b', 'c']);
  });
});

describe('faults are reported in the order of', () => {
  const headers = { 'accept-profile': 'none', 'content-profile': 'none' };
  test.each([
    ['path', 'TRACE /a/b?id=1', headers, 'PGRST125'],
    ['schema', 'TRACE /a?id=1', headers, 'PGRST106'],
    ['method', 'TRACE /a?id=1', {}, 'PGRST117'],
    ['query string', 'PUT /a?id=1&limit=1', {}, 'PGRST100'],
    ['range', 'PUT /a?limit=1', {}, 'PGRST114'],
    ['body', 'PUT /a', {}, 'PGRST102'],
  ])('%s', (_stage, line, given: Readonly<Record<string, string>>, code) => {
    expect(refusalOf(line, { headers: line.startsWith('TRACE') ? given : {}, body: 'not json' }).code).toBe(
      code,
    );
  });
});

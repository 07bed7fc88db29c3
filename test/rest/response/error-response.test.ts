import { describe, expect, test } from 'vitest';
import { RestError } from '../../../src/rest/errors.ts';
import { errorResponse } from '../../../src/rest/response/error-response.ts';

describe('an error', () => {
  test('has its four keys, and its code in Proxy-Status', () => {
    expect(errorResponse(new RestError('PGRST205', 'no table ü', { hint: 'h' }), 'verbose')).toEqual({
      status: 404,
      reason: undefined,
      headers: [
        ['Content-Type', 'application/json; charset=utf-8'],
        ['Content-Length', '69'],
        ['Proxy-Status', 'PostgREST; error=PGRST205'],
      ],
      body: '{"code":"PGRST205","details":null,"hint":"h","message":"no table ü"}',
    });
  });

  test('reveals as little as is configured', () => {
    const { body } = errorResponse(new RestError('PGRST100', 'm', { details: 'd', hint: 'h' }), 'minimal');
    expect(body).toBe('{"code":"PGRST100","message":"m"}');
  });

  test('may have details that are not text', () => {
    const { body } = errorResponse(new RestError('PGRST201', 'm', { details: [{ a: 1 }] }), 'verbose');
    expect(body).toContain('"details":[{"a":1}]');
  });

  test('says when to retry, and which authentication is needed', () => {
    expect(errorResponse(new RestError('PGRST002', 'm'), 'verbose').headers).toContainEqual([
      'Retry-After',
      '1',
    ]);
    const challenge = ['WWW-Authenticate', 'Bearer'] as const;
    const refused = errorResponse(new RestError('PGRST302', 'm', { headers: [challenge] }), 'verbose');
    expect(refused.headers).toContainEqual(challenge);
  });

  test('cannot start another header with a code that a function made up', () => {
    const shown = { code: 'a\r\nb ü', status: 400, message: '', details: null, hint: null, headers: [] };
    expect(errorResponse(shown, 'verbose').headers).toContainEqual(['Proxy-Status', 'PostgREST; error=ab']);
  });
});

import { describe, expect, test } from 'vitest';
import { postgrestCors as cors } from '../../src/postgrest/cors.ts';

const origin = 'http://example.com';
const onOptions = [['Access-Control-Allow-Origin', '*']];
const nothing = { preflight: null, headers: [], onOptions };
const preflight = { origin, 'access-control-request-method': 'POST' };

describe('a request of another origin', () => {
  test('gets no headers when it is not from a browser', () => {
    expect(cors('GET', {}, null)).toEqual(nothing);
    expect(cors('OPTIONS', { 'access-control-request-method': 'POST' }, null).preflight).toBeNull();
  });

  test('may read the answer and its headers', () => {
    const exposed =
      'Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Transfer-Encoding, Range-Unit';
    expect(cors('GET', { origin }, null)).toEqual({
      preflight: null,
      headers: [
        ['Access-Control-Allow-Origin', '*'],
        ['Access-Control-Expose-Headers', exposed],
      ],
      onOptions,
    });
    expect(cors('PATCH', { origin }, ['http://a.example', origin]).headers.slice(0, 2)).toEqual([
      ['Access-Control-Allow-Origin', origin],
      ['Access-Control-Allow-Credentials', 'true'],
    ]);
  });

  test('gets no headers when its origin is not allowed', () => {
    expect(cors('GET', { origin }, ['http://a.example'])).toEqual(nothing);
    expect(cors('OPTIONS', preflight, ['http://a.example']).preflight).toBeNull();
  });
});

describe('a preflight', () => {
  test('may ask for any header', () => {
    const headers = { ...preflight, 'access-control-request-headers': 'Foo,Bar, foo ,authorization' };
    expect(cors('OPTIONS', headers, null).preflight).toEqual([
      ['Access-Control-Allow-Origin', '*'],
      ['Access-Control-Allow-Methods', 'GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD'],
      ['Access-Control-Allow-Headers', 'Authorization, Foo, Bar, Accept, Accept-Language, Content-Language'],
      ['Access-Control-Max-Age', '86400'],
      ['Content-Length', '0'],
    ]);
  });

  test('without a method, or with an unknown one, is an ordinary OPTIONS request', () => {
    expect(cors('OPTIONS', { origin }, null)).toEqual(nothing);
    const odd = { origin, 'access-control-request-method': 'TRACE' };
    expect(cors('OPTIONS', odd, null)).toEqual(nothing);
  });
});

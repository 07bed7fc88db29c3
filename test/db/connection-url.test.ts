import { expect, test } from 'vitest';
import { tlsOf } from '../../src/db/connection-url.ts';

test.each([
  ['postgres://u@db.example/d', { rejectUnauthorized: true }],
  ['postgres://u@127.0.0.1/d', undefined],
  ['postgres://u@localhost:6432/d', undefined],
  ['postgres://u@[::1]/d', undefined],
  ['postgres://u@/d?host=/run/postgresql', undefined],
])('without a choice %s gets the TLS %o', (url, tls) => {
  expect(tlsOf(null, url)).toEqual(tls);
});

test('a choice holds for every host', () => {
  for (const url of ['postgres://u@db.example/d', 'postgres://u@127.0.0.1/d']) {
    expect(tlsOf('off', url)).toBeUndefined();
    expect(tlsOf('no-verify', url)).toEqual({ rejectUnauthorized: false });
    expect(tlsOf('verify', url)).toEqual({ rejectUnauthorized: true });
  }
});

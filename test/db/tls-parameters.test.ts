import { expect, test } from 'vitest';
import { noTlsChoice, tlsParameters, urlWithTls, withoutTlsParameters } from '../../src/db/tls-parameters.ts';

const remote = 'postgres://u@db.example/d';

test.each([
  [remote, 'verify-full'],
  ['postgres://u@127.0.0.1/d', 'disable'],
  ['postgres://u@localhost:6432/d', 'disable'],
  ['postgres://u@[::1]/d', 'disable'],
  ['postgres://u@/d?host=/run/postgresql', 'disable'],
  ['postgres://u@/d?host=/run/postgresql&sslmode=require', 'disable'],
])('without a choice %s is under %s', (url, mode) => {
  expect(tlsParameters(noTlsChoice, url).mode).toBe(mode);
});

test('a choice holds for every host, and what a URL says itself comes before it', () => {
  for (const mode of ['disable', 'prefer', 'require', 'verify-full'] as const) {
    const choice = { ...noTlsChoice, mode };
    expect(tlsParameters(choice, remote).mode).toBe(mode);
    expect(tlsParameters(choice, 'postgres://u@127.0.0.1/d').mode).toBe(mode);
    expect(tlsParameters(choice, `${remote}?sslmode=prefer`).mode).toBe('prefer');
    expect(tlsParameters(choice, `${remote}?ssl=true`).mode).toBe('require');
  }
});

test('files of the URL come before those of the choice, and require with an authority verifies it, as in libpq', () => {
  const choice = { mode: 'require', rootCertificate: '/ca', certificate: '/cert', key: '/key' } as const;
  expect(tlsParameters(choice, remote)).toEqual({ ...choice, mode: 'verify-ca' });
  expect(tlsParameters(choice, `${remote}?sslrootcert=/other`)).toMatchObject({ rootCertificate: '/other' });
});

test.each([
  ['?sslmode=sure', 'sslmode is "sure"; expected one of disable, prefer'],
  ['?sslmode=allow', 'sslmode is "allow"; expected one of disable, prefer'],
  ['?sslmode=verify-ca', 'needs sslrootcert'],
  ['?sslcert=/cert', 'sslcert and sslkey belong together'],
  ['?sslmode=require&sslrootcert=system', 'needs sslmode=verify-full'],
])('refuses %s', (query, message) => {
  expect(() => tlsParameters(noTlsChoice, remote + query)).toThrow(message);
});

test('nothing about TLS is left in a URL that node-postgres would read in its own way', () => {
  const url = `${remote}?sslmode=require&application_name=x&sslrootcert=/ca&ssl=true&sslkey=/k&sslcert=/c`;
  expect(withoutTlsParameters(url)).toBe(`${remote}?application_name=x`);
});

test('a library that takes a URL alone gets what libpq would do', () => {
  const tls = (mode: 'prefer' | 'require' | 'verify-ca') => ({
    ...noTlsChoice,
    mode,
    rootCertificate: '/ca',
  });
  const parameters = (url: string) => Object.fromEntries(new URL(url).searchParams);
  const compatible = { uselibpqcompat: 'true' };
  expect(parameters(urlWithTls(remote, tls('prefer'), false))).toEqual({ ...compatible, sslmode: 'disable' });
  expect(parameters(urlWithTls(remote, tls('prefer'), true))).toEqual({ ...compatible, sslmode: 'require' });
  expect(parameters(urlWithTls(remote, tls('verify-ca'), true))).toEqual({
    ...compatible,
    sslmode: 'verify-ca',
    sslrootcert: '/ca',
  });
});

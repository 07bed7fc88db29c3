import { createHash, createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { scramVerifier } from '../../src/db/scram-verifier.ts';

test('proves the exchange of RFC 7677, section 3, without the password', () => {
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
  const [, iterations, , stored = '', server = ''] =
    /^SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)$/.exec(scramVerifier('pencil', salt)) ?? [];
  expect(iterations).toBe('4096');
  const exchange =
    'n=user,r=rOprNGfwEbeRWgbNEkqO,' +
    'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,' +
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
  const signedBy = (key: string) =>
    createHmac('sha256', Buffer.from(key, 'base64')).update(exchange).digest();
  expect(signedBy(server).toString('base64')).toBe('6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
  const proof = Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64');
  const clientKey = signedBy(stored).map((byte, at) => byte ^ (proof[at] ?? 0));
  expect(createHash('sha256').update(clientKey).digest('base64')).toBe(stored);
});

test('has a salt of its own each time, and does not contain the password', () => {
  const password = 'correct-horse-battery';
  const [one, other] = [scramVerifier(password), scramVerifier(password)];
  expect(one).not.toBe(other);
  expect(one).not.toContain(password);
});

test.each(['', 'with space', 'naïve', 'tab\t'])('refuses %j, which SASLprep might change', (password) => {
  expect(() => scramVerifier(password)).toThrow('printable ASCII');
});

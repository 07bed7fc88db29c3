import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { makeSignatures, noSignatures, signaturePattern } from '../../src/backup/signatures.ts';

const ours = generateKeyPairSync('ed25519');
const older = generateKeyPairSync('ed25519');

test('a name that was signed is known by the signing process, and by who has the public key only', () => {
  const signer = makeSignatures(ours.privateKey, []);
  const suffix = signer.suffix('wal/7/a');
  expect(suffix).toMatch(new RegExp(`^${signaturePattern}$`));
  const signature = suffix.slice(1);
  expect(signer.isGood('wal/7/a', signature)).toBe(true);
  const reader = makeSignatures(null, [ours.publicKey]);
  expect(reader.isGood('wal/7/a', signature)).toBe(true);
  expect([reader.suffix('wal/7/a'), reader.publicKey]).toEqual(['', null]);
});

test('a signature of another key, of another name, or cut short is refused', () => {
  const signature = makeSignatures(ours.privateKey, []).suffix('wal/7/a').slice(1);
  expect(makeSignatures(null, [older.publicKey]).isGood('wal/7/a', signature)).toBe(false);
  const reader = makeSignatures(null, [ours.publicKey]);
  for (const [name, given] of [
    ['wal/7/b', signature],
    ['wal/7/a ', signature],
    ['wal/7/a', signature.slice(0, -1)],
    ['wal/7/a', `${signature.slice(0, -4)}AAAA`],
    ['wal/7/a', ''],
  ] as const) {
    expect([name, reader.isGood(name, given)]).toEqual([name, false]);
  }
});

test('an older key stays trusted beside the one that signs', () => {
  const before = makeSignatures(older.privateKey, []).suffix('x').slice(1);
  const now = makeSignatures(ours.privateKey, [older.publicKey]);
  expect(now.isGood('x', before)).toBe(true);
  expect(now.isGood('x', now.suffix('x').slice(1))).toBe(true);
});

test('without keys nothing is signed or checked', () => {
  expect(makeSignatures(null, [])).toBe(noSignatures);
  expect([noSignatures.checks, noSignatures.suffix('x')]).toEqual([false, '']);
});

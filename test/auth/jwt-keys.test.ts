import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { decodeBase64Secret, parseJwtSecret, postgrestKeys } from '../../src/auth/jwt-keys.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');
const jwk = (key: typeof rsa.publicKey) => key.export({ format: 'jwk' });

const keysOf = (secret: unknown) =>
  parseJwtSecret(
    Buffer.from(typeof secret === 'string' ? secret : JSON.stringify(secret)),
    postgrestKeys,
  ).map(({ key, kid, algorithms }) => [key.type, kid, algorithms]);

describe('the keys of a secret', () => {
  it('are one HS256 key when it is plain text, including JSON that is not a key', () => {
    expect(keysOf('x'.repeat(32))).toEqual([['secret', null, ['HS256']]]);
    expect(keysOf({ some: 'other JSON of thirty-two bytes' })).toEqual([['secret', null, ['HS256']]]);
  });

  it('are those that a JSON Web Key is good for, whole or cut to its algorithm', () => {
    expect(keysOf(jwk(rsa.publicKey))).toEqual([['public', null, ['RS256', 'RS384', 'RS512']]]);
    expect(keysOf({ ...jwk(rsa.publicKey), alg: 'RS512', kid: 'k' })).toEqual([['public', 'k', ['RS512']]]);
    expect(keysOf(jwk(ec.publicKey))).toEqual([['public', null, ['ES256', 'ES384', 'ES512']]]);
    expect(keysOf(jwk(ed.publicKey))).toEqual([['public', null, ['EdDSA']]]);
    expect(keysOf({ kty: 'oct', k: 'AQID' })).toEqual([['secret', null, ['HS256', 'HS384', 'HS512']]]);
  });

  it('are the public half of a private key', () => {
    expect(keysOf(jwk(rsa.privateKey))).toEqual([['public', null, ['RS256', 'RS384', 'RS512']]]);
  });

  it('are those of a set, without keys for encryption or of an unknown kind', () => {
    const set = {
      keys: [
        { ...jwk(rsa.publicKey), use: 'enc' },
        { ...jwk(rsa.publicKey), alg: 'PS256' },
        { kty: 'XYZ' },
        { ...jwk(ec.publicKey), kid: 'e' },
      ],
    };
    expect(keysOf(set)).toEqual([['public', 'e', ['ES256', 'ES384', 'ES512']]]);
  });

  it.each([
    ['short', 'it has 5 bytes; expected 32 or more'],
    [{ kty: 'RSA', n: 'AQAB' }, 'the JSON Web Key cannot be read as a key'],
    [{ kty: 'oct' }, 'the JSON Web Key must have a "k" in base64url'],
    [{ kty: 'oct', k: '***' }, 'must have a "k" in base64url'],
    [{ kty: 'EC', crv: 'P-999', x: 'AA', y: 'AA' }, 'the JSON Web Key cannot be read as a key'],
    [
      jwk(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey),
      'has 1024 bits; expected 2048 or more for RSA',
    ],
    [jwk(generateKeyPairSync('ed448').publicKey), 'uses the curve Ed448'],
    [{ keys: {} }, 'its "keys" must be an array'],
    [{ keys: [{ kty: 'oct', k: 'AQID' }, 7] }, 'key 2 of the set is not a JSON object'],
    [{ kty: 'oct', k: 'AQID', kid: 7 }, 'must be a string'],
  ])('are refused of %j', (secret, message) => {
    expect(() => keysOf(secret)).toThrow(message);
  });

  it('may be in base64, in either alphabet', () => {
    const bytes = Buffer.from([0xfb, 0xff, 0xfe, 1]);
    expect(decodeBase64Secret(' +//+AQ==\n')).toEqual(bytes);
    expect(decodeBase64Secret('-__-AQ..')).toEqual(bytes);
    for (const wrong of ['no base-64!', 'abc', '=abc']) {
      expect(() => decodeBase64Secret(wrong)).toThrow('not base64');
    }
  });
});

import { createPublicKey, createSecretKey } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { OperationalError } from '../operational-error.ts';

/** A key that tokens may be signed with. */
export interface JwtKey {
  readonly key: KeyObject;
  /** Null: the key has no id, and is not tried for a token that names one. */
  readonly kid: string | null;
  /** The algorithms that the key may be used with; never empty. */
  readonly algorithms: readonly string[];
}

/** The secret cannot be turned into a key. The message never shows the secret. */
export class JwtSecretError extends OperationalError {
  override name = 'JwtSecretError';
}

/** Shortest plain secret, in bytes: the length of HS256's own output (RFC 7518, 3.2). */
const leastSecretBytes = 32;
const leastRsaBits = 2048;

/**
 * PS256 and its like are left out, as in PostgREST: an operator's key should be good for the same tokens on
 * both servers.
 */
const algorithmsOf = {
  oct: ['HS256', 'HS384', 'HS512'],
  RSA: ['RS256', 'RS384', 'RS512'],
  EC: ['ES256', 'ES384', 'ES512'],
  OKP: ['EdDSA'],
} as const satisfies Record<string, readonly string[]>;

/**
 * The keys in a secret: a JSON Web Key, a set of them (`{"keys": [...]}`), or anything else of 32 bytes or
 * more, which is an HS256 secret as it stands (PostgREST, Configuration, jwt-secret). A private key serves as
 * its public half. Keys for encryption and keys of an unknown kind are skipped. Throws JwtSecretError.
 */
export function parseJwtSecret(secret: Buffer): readonly JwtKey[] {
  const json = jsonObject(secret);
  if (json !== null && 'keys' in json) {
    if (!Array.isArray(json['keys']))
      throw new JwtSecretError('its "keys" must be an array of JSON Web Keys');
    return json['keys'].flatMap((jwk: unknown, index) => keysOf(jwk, `key ${index + 1} of the set`));
  }
  if (json !== null && 'kty' in json) return keysOf(json, 'the JSON Web Key');
  if (secret.length < leastSecretBytes) {
    throw new JwtSecretError(`it has ${secret.length} bytes; expected ${leastSecretBytes} or more`);
  }
  return [{ key: createSecretKey(secret), kid: null, algorithms: ['HS256'] }];
}

/** Decodes a base64 secret in either alphabet; `.` may stand for `=`. Throws JwtSecretError. */
export function decodeBase64Secret(text: string): Buffer {
  const base64 = text.trim().replaceAll('_', '/').replaceAll('-', '+').replaceAll('.', '=');
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) {
    throw new JwtSecretError('it is not base64, or its padding is missing');
  }
  return Buffer.from(base64, 'base64');
}

function jsonObject(secret: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const json: unknown = JSON.parse(secret.toString('utf8'));
    return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** The key, or an empty array when the key does not serve for signatures. */
function keysOf(jwk: unknown, name: string): JwtKey[] {
  if (typeof jwk !== 'object' || jwk === null) throw new JwtSecretError(`${name} is not a JSON object`);
  const { kty, kid = null, use, alg = null } = jwk as Readonly<Record<string, unknown>>;
  if (kid !== null && typeof kid !== 'string')
    throw new JwtSecretError(`the "kid" of ${name} must be a string`);
  const known: readonly string[] | undefined = Object.entries(algorithmsOf).find(
    ([type]) => type === kty,
  )?.[1];
  if (known === undefined || use === 'enc') return [];
  const algorithms = alg === null ? known : known.filter((algorithm) => algorithm === alg);
  if (algorithms.length === 0) return [];
  return [{ key: keyObject(jwk, kty === 'oct', name), kid, algorithms }];
}

function keyObject(jwk: object, isSecret: boolean, name: string): KeyObject {
  if (isSecret) {
    const k = 'k' in jwk ? jwk.k : undefined;
    if (typeof k !== 'string' || !/^[A-Za-z0-9_-]+$/.test(k)) {
      throw new JwtSecretError(`${name} must have a "k" in base64url`);
    }
    return createSecretKey(Buffer.from(k, 'base64url'));
  }
  let key: KeyObject;
  try {
    key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
  } catch (error) {
    throw new JwtSecretError(`${name} cannot be read as a key: ${(error as Error).message}`, {
      cause: error,
    });
  }
  // jose would refuse these keys at each token; refusing them at the start says it once.
  const { modulusLength = leastRsaBits } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < leastRsaBits) {
    throw new JwtSecretError(`${name} has ${modulusLength} bits; expected ${leastRsaBits} or more for RSA`);
  }
  if (key.asymmetricKeyType === 'ed448') {
    throw new JwtSecretError(`${name} uses the curve Ed448; only Ed25519 is supported`);
  }
  return key;
}

import { createPublicKey, createSecretKey } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { OperationalError } from '../operational-error.ts';

/** A key that tokens may be signed with. */
export interface JwtKey {
  readonly key: KeyObject;
  /** Null: it has none, and no token that names one is for it. */
  readonly kid: string | null;
  /** What it may be used with; never empty. */
  readonly algorithms: readonly string[];
}

/** A secret that no key can be made of. The message never shows it. */
export class JwtSecretError extends OperationalError {
  override name = 'JwtSecretError';
}

/** Bytes that a plain secret needs at least: HS256's own length (RFC 7518, 3.2). */
const leastSecretBytes = 32;
const leastRsaBits = 2048;

/** PS256 and its like are left out, as in PostgREST: what an operator's key is good for should not change with the server. */
const algorithmsOf = {
  oct: ['HS256', 'HS384', 'HS512'],
  RSA: ['RS256', 'RS384', 'RS512'],
  EC: ['ES256', 'ES384', 'ES512'],
  OKP: ['EdDSA'],
} as const satisfies Record<string, readonly string[]>;

/**
 * The keys of a secret: a JSON Web Key, a set of them (`{"keys": [...]}`), or anything else of 32 bytes or more, which
 * is an HS256 secret as it stands (PostgREST, Configuration, jwt-secret). Private keys serve as their public half. Keys
 * for encryption or of a kind that is not known are passed over. Throws JwtSecretError.
 */
export function parseJwtSecret(secret: Buffer): readonly JwtKey[] {
  const json = jsonObject(secret);
  if (json !== null && 'keys' in json) {
    if (!Array.isArray(json['keys']))
      throw new JwtSecretError('its "keys" are not an array of JSON Web Keys');
    return json['keys'].flatMap((jwk: unknown, index) => keysOf(jwk, `key ${index + 1} of the set`));
  }
  if (json !== null && 'kty' in json) return keysOf(json, 'the JSON Web Key');
  if (secret.length < leastSecretBytes) {
    throw new JwtSecretError(`it has ${secret.length} bytes; ${leastSecretBytes} or more are needed`);
  }
  return [{ key: createSecretKey(secret), kid: null, algorithms: ['HS256'] }];
}

/** Decodes a base64 secret, in either alphabet, `.` standing for `=` too. Throws JwtSecretError. */
export function decodeBase64Secret(text: string): Buffer {
  const base64 = text.trim().replaceAll('_', '/').replaceAll('-', '+').replaceAll('.', '=');
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) {
    throw new JwtSecretError('it is not base64, or lacks the padding at its end');
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

/** One key, or none when the key is of no use for signatures. */
function keysOf(jwk: unknown, name: string): JwtKey[] {
  if (typeof jwk !== 'object' || jwk === null) throw new JwtSecretError(`${name} is not a JSON object`);
  const { kty, kid = null, use, alg = null } = jwk as Readonly<Record<string, unknown>>;
  if (kid !== null && typeof kid !== 'string')
    throw new JwtSecretError(`${name} has a "kid" that is not text`);
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
      throw new JwtSecretError(`${name} has no "k", or it is not base64url`);
    }
    return createSecretKey(Buffer.from(k, 'base64url'));
  }
  let key: KeyObject;
  try {
    key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
  } catch (error) {
    throw new JwtSecretError(`${name} is not a key: ${(error as Error).message}`, { cause: error });
  }
  // What jose refuses at each token is better said once, at the start.
  const { modulusLength = leastRsaBits } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < leastRsaBits) {
    throw new JwtSecretError(`${name} has ${modulusLength} bits; RSA needs ${leastRsaBits} or more`);
  }
  if (key.asymmetricKeyType === 'ed448') {
    throw new JwtSecretError(`${name} is of the curve Ed448; Ed25519 is the one that is supported`);
  }
  return key;
}

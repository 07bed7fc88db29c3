import { createHash, createPrivateKey, createPublicKey, createSecretKey } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { OperationalError } from '../operational-error.ts';

/** A key that tokens may be signed with. */
export interface JwtKey {
  /** The same in every reading of the same key, and different when its `kid` or its algorithms differ. */
  readonly id: string;
  readonly key: KeyObject;
  /** The half that makes signatures: the secret itself, or a private key. Null: only the public half is known. */
  readonly signer: KeyObject | null;
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

/** The keys that a program takes. */
export interface KeyRules {
  /** The algorithms of each type of key, the one to sign with first. */
  readonly algorithms: Readonly<Record<string, readonly string[]>>;
  /** Algorithms of a plain secret, with the bytes that each needs. */
  readonly plain: readonly (readonly [algorithm: string, bytes: number])[];
  /**
   * Whether anything that begins as JSON has to be a key, and the secret of a key has to be as long as a plain one. A file that is
   * half written would otherwise count as a secret of its own.
   */
  readonly strict: boolean;
}

/** The output of each HMAC: a shorter key is weaker than the algorithm (RFC 7518, 3.2). */
const secretBytes = [
  ['HS256', 32],
  ['HS384', 48],
  ['HS512', 64],
] as const;

/** Keys for this project's own API. */
export const ownKeys: KeyRules = {
  algorithms: {
    oct: secretBytes.map(([algorithm]) => algorithm),
    RSA: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
    EC: ['ES256', 'ES384', 'ES512'],
    OKP: ['EdDSA', 'Ed25519'],
  },
  plain: secretBytes,
  strict: true,
};

/**
 * PostgREST's keys, for `lightning rest`. PS256 and its like are left out, as there: an operator's key should be good for the
 * same tokens on both servers.
 */
export const postgrestKeys: KeyRules = {
  algorithms: {
    oct: ['HS256', 'HS384', 'HS512'],
    RSA: ['RS256', 'RS384', 'RS512'],
    EC: ['ES256', 'ES384', 'ES512'],
    OKP: ['EdDSA'],
  },
  plain: [['HS256', leastSecretBytes]],
  strict: false,
};

/**
 * The keys in a secret: a JSON Web Key, a set of them (`{"keys": [...]}`), or anything else of 32 bytes or
 * more, which is a secret as it stands (PostgREST, Configuration, jwt-secret). A private key verifies with its public half. Keys
 * for encryption and keys of an unknown kind are skipped. Throws JwtSecretError.
 */
export function parseJwtSecret(secret: Buffer, rules: KeyRules): readonly JwtKey[] {
  const json = jsonObject(secret);
  if (json !== null && 'keys' in json) {
    if (!Array.isArray(json['keys']))
      throw new JwtSecretError('its "keys" must be an array of JSON Web Keys');
    return json['keys'].flatMap((jwk: unknown, index) => keysOf(jwk, `key ${index + 1} of the set`, rules));
  }
  if (json !== null && 'kty' in json) return keysOf(json, 'the JSON Web Key', rules);
  if (rules.strict && /^\s*[{[]/.test(secret.toString('latin1'))) {
    throw new JwtSecretError('it begins like JSON; expected a JSON Web Key, or {"keys": [...]}');
  }
  if (secret.length < leastSecretBytes) {
    throw new JwtSecretError(`it has ${secret.length} bytes; expected ${leastSecretBytes} or more`);
  }
  const algorithms = rules.plain.flatMap(([name, bytes]) => (secret.length >= bytes ? [name] : []));
  return [jwtKey(createSecretKey(secret), true, null, algorithms)];
}

/**
 * The public keys of a set that somebody else publishes. A secret in it is skipped, because whoever reads the set could sign with
 * it. A key that cannot be read is skipped as well, and does not lock out those who use the others; `onSkipped` gets the reason.
 * Throws JwtSecretError when it is not a set.
 */
export function parsePublishedKeys(
  json: unknown,
  mostKeys: number,
  onSkipped: (reason: string) => void,
): readonly JwtKey[] {
  const keys = typeof json === 'object' && json !== null && 'keys' in json ? json.keys : undefined;
  if (!Array.isArray(keys)) throw new JwtSecretError('it is not a set of keys: {"keys": [...]}');
  if (keys.length > mostKeys) {
    throw new JwtSecretError(`it has ${keys.length} keys; expected ${mostKeys} at most`);
  }
  return keys.flatMap((jwk: unknown, index) => {
    const name = `key ${index + 1} of the set`;
    try {
      const found = keysOf(jwk, name, ownKeys);
      if (!found.some(({ key }) => key.type === 'secret')) return found;
      onSkipped(`${name} is a secret, which must not be published`);
    } catch (error) {
      if (!(error instanceof JwtSecretError)) throw error;
      onSkipped(error.message);
    }
    return [];
  });
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
function keysOf(jwk: unknown, name: string, rules: KeyRules): JwtKey[] {
  if (typeof jwk !== 'object' || jwk === null) throw new JwtSecretError(`${name} is not a JSON object`);
  const { kty, kid = null, use, alg = null } = jwk as Readonly<Record<string, unknown>>;
  if (kid !== null && typeof kid !== 'string')
    throw new JwtSecretError(`the "kid" of ${name} must be a string`);
  const known = Object.entries(rules.algorithms).find(([type]) => type === kty)?.[1];
  if (known === undefined || use === 'enc') return [];
  const allowed = alg === null ? known : known.filter((algorithm) => algorithm === alg);
  if (allowed.length === 0) return [];
  if (kty !== 'oct') return [jwtKey(keyObject(jwk, name), 'd' in jwk, kid, allowed, jwk)];
  const secret = secretOf(jwk, name);
  const bytes = secret.length;
  const algorithms = rules.strict
    ? allowed.filter((algorithm) => secretBytes.some(([each, least]) => each === algorithm && bytes >= least))
    : allowed;
  if (algorithms.length === 0) {
    throw new JwtSecretError(
      `${name} has a secret of ${bytes} bytes, which is too short for ${allowed.join(', ')}; expected ${leastSecretBytes} or more`,
    );
  }
  return [jwtKey(createSecretKey(secret), true, kid, algorithms)];
}

function jwtKey(
  key: KeyObject,
  signs: boolean,
  kid: string | null,
  algorithms: readonly string[],
  jwk?: object,
): JwtKey {
  const material = key.type === 'secret' ? key.export() : key.export({ type: 'spki', format: 'der' });
  const id = createHash('sha256')
    .update(material)
    .update(JSON.stringify([kid, algorithms]))
    .digest('base64url');
  const signer = !signs ? null : jwk ? createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' }) : key;
  return { id, key, signer, kid, algorithms };
}

function secretOf(jwk: object, name: string): Buffer {
  const k = 'k' in jwk ? jwk.k : undefined;
  if (typeof k !== 'string' || !/^[A-Za-z0-9_-]+$/.test(k)) {
    throw new JwtSecretError(`${name} must have a "k" in base64url`);
  }
  return Buffer.from(k, 'base64url');
}

function keyObject(jwk: object, name: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
    if ('d' in jwk) createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' });
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

import { compactVerify } from 'jose';
import { RestError } from '../../rest/errors.ts';
import type { JwtKey } from '../../auth/jwt-keys.ts';

/** The payload of a token whose signature was verified. */
export interface TokenPayload {
  readonly claims: Readonly<Record<string, unknown>>;
  /** The claims as they were signed: a JSON object. */
  readonly text: string;
}

/** The payload of a request without a token. */
export const emptyPayload: TokenPayload = { claims: {}, text: '{}' };

const algorithms = ['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

/**
 * Reads a signed token with the first key that fits. A token that names a key (`kid`) is tried with that key only, any
 * other with every key. Rejects with RestError PGRST301, or with PGRST303 when the signed content is not a JSON object;
 * messages and details are PostgREST's (Errors, Group 3).
 */
export async function readToken(token: string, keys: readonly JwtKey[]): Promise<TokenPayload> {
  if (token === '') throw invalidToken('PGRST301', 'Empty JWT is sent in Authorization header');
  const parts = token.split('.');
  if (parts.length !== 3) {
    throw invalidToken('PGRST301', `Expected 3 parts in JWT; got ${parts.length}`);
  }
  const { alg, kid } = readHeader(parts);
  const fitting = keys.filter(
    (key) => key.algorithms.includes(alg) && (kid === undefined || key.kid === kid),
  );
  if (fitting.length === 0) throw noKey('No suitable key was found to decode the JWT');
  for (const { key } of fitting) {
    const payload = await verified(token, key, alg);
    if (payload !== null) return readPayload(payload);
  }
  throw noKey('None of the keys was able to decode the JWT');
}

/** A token's refusal, with the header that announces it (RFC 6750, 3). */
export function invalidToken(
  code: 'PGRST301' | 'PGRST303',
  message: string,
  details: string | null = null,
): RestError {
  return new RestError(code, message, {
    details,
    headers: [['WWW-Authenticate', `Bearer error="invalid_token", error_description="${message}"`]],
  });
}

function readHeader(parts: readonly string[]): { alg: string; kid: string | undefined } {
  const broken = invalidToken('PGRST301', 'JWT cryptographic operation failed');
  if (!parts.every((part) => /^[A-Za-z0-9_-]*$/.test(part) && part.length % 4 !== 1)) throw broken;
  let header: unknown;
  try {
    header = JSON.parse(Buffer.from(parts[0] ?? '', 'base64url').toString('utf8'));
  } catch {
    throw broken;
  }
  if (typeof header !== 'object' || header === null) throw broken;
  const { alg, kid = undefined, enc } = header as Readonly<Record<string, unknown>>;
  if (alg === 'none') {
    throw invalidToken(
      'PGRST301',
      'Wrong or unsupported encoding algorithm',
      "JWT is unsecured but expected 'alg' was not 'none'",
    );
  }
  const known = algorithms.find((name) => name === alg);
  if (known === undefined || enc !== undefined) throw broken;
  if (kid !== undefined && kid !== null && typeof kid !== 'string') throw broken;
  return { alg: known, kid: kid ?? undefined };
}

/** Null: this key did not sign the token, or cannot have signed it. */
async function verified(token: string, key: JwtKey['key'], alg: string): Promise<Uint8Array | null> {
  try {
    return (await compactVerify(token, key, { algorithms: [alg] })).payload;
  } catch {
    return null;
  }
}

function readPayload(payload: Uint8Array): TokenPayload {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(payload);
    const claims: unknown = JSON.parse(text);
    if (typeof claims === 'object' && claims !== null && !Array.isArray(claims)) {
      return { claims: claims as Record<string, unknown>, text };
    }
  } catch {
    // Content that is not JSON, or not even text, gets the same refusal.
  }
  throw invalidToken('PGRST303', 'Parsing claims failed');
}

function noKey(details: string): RestError {
  return invalidToken('PGRST301', 'No suitable key or wrong key type', details);
}

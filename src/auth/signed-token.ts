import { compactVerify } from 'jose';
import type { JwtKey } from './jwt-keys.ts';
import { RefusedToken } from './refused-token.ts';

/** The payload of a token whose signature was verified. */
export interface TokenPayload {
  readonly claims: Readonly<Record<string, unknown>>;
  /** The claims as they were signed: a JSON object. */
  readonly text: string;
}

/** The header of a token, checked for its form. Nothing has been verified yet. */
export interface TokenHeader {
  readonly alg: string;
  /** Undefined: the token does not name its key. */
  readonly kid: string | undefined;
}

const algorithms =
  'HS256 HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ');

/**
 * Headers with which a token brings or names a key of its own. The key is never taken from there, and no honest issuer of ours
 * sends them, so such a token is refused whoever signed it. `x5t`, the digest of a certificate, only names a key, as `kid` does.
 */
const bringingKeys = ['jwk', 'jku', 'x5u', 'x5c'];

/** Reads the header of a token. Throws RefusedToken. */
export function readTokenHeader(token: string): TokenHeader {
  if (token === '') throw new RefusedToken({ kind: 'empty' });
  const parts = token.split('.');
  if (parts.length !== 3) throw new RefusedToken({ kind: 'parts', count: parts.length });
  const broken = new RefusedToken({ kind: 'broken' });
  if (!parts.every((part) => /^[A-Za-z0-9_-]*$/.test(part) && part.length % 4 !== 1)) throw broken;
  let header: unknown;
  try {
    header = JSON.parse(Buffer.from(parts[0] ?? '', 'base64url').toString('utf8'));
  } catch {
    throw broken;
  }
  if (typeof header !== 'object' || header === null) throw broken;
  const { alg, kid = undefined, enc, crit } = header as Readonly<Record<string, unknown>>;
  if (alg === 'none') throw new RefusedToken({ kind: 'unsigned' });
  const known = algorithms.find((name) => name === alg);
  if (known === undefined || enc !== undefined) throw broken;
  // Whatever it says must be understood, and nothing of it is (RFC 7515, 4.1.11).
  if (crit !== undefined || bringingKeys.some((name) => name in header)) throw broken;
  if (kid !== undefined && kid !== null && typeof kid !== 'string') throw broken;
  return { alg: known, kid: kid ?? undefined };
}

/**
 * Verifies a token with the first key that fits. A token that names a key (`kid`) is tried with keys of that name only, any
 * other with every key; and each key only with its own algorithms, so that nobody signs with a public key as a secret. Rejects
 * with RefusedToken.
 */
export async function verifySignature(
  token: string,
  { alg, kid }: TokenHeader,
  keys: readonly JwtKey[],
): Promise<{ readonly payload: TokenPayload; readonly key: JwtKey }> {
  const fitting = keys.filter(
    (key) => key.algorithms.includes(alg) && (kid === undefined || key.kid === kid),
  );
  if (fitting.length === 0) throw new RefusedToken({ kind: 'no-key' });
  for (const key of fitting) {
    const bytes = await verified(token, key.key, alg);
    if (bytes !== null) return { payload: readPayload(bytes), key };
  }
  throw new RefusedToken({ kind: 'wrong-key' });
}

/** Null: this key did not sign the token, or cannot have signed it. */
async function verified(token: string, key: JwtKey['key'], alg: string): Promise<Uint8Array | null> {
  try {
    return (await compactVerify(token, key, { algorithms: [alg] })).payload;
  } catch {
    return null;
  }
}

function readPayload(bytes: Uint8Array): TokenPayload {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const claims: unknown = JSON.parse(text);
    if (typeof claims === 'object' && claims !== null && !Array.isArray(claims)) {
      return { claims: claims as Record<string, unknown>, text };
    }
  } catch {
    // Content that is not JSON, or not even text, gets the same refusal.
  }
  throw new RefusedToken({ kind: 'not-claims' });
}

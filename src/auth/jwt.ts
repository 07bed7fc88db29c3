import { createSecretKey } from 'node:crypto';
import { SignJWT, errors, jwtVerify } from 'jose';
import type { JWTPayload } from 'jose';
import { BoundedMap } from '../bounded-map.ts';
import { requestRoles } from './claims.ts';
import type { Claims, RequestRole } from './claims.ts';
import { TokenError } from './token-error.ts';

/** Turns a bearer token into claims. Rejects with TokenError. */
export type VerifyToken = (token: string) => Promise<Claims>;

/**
 * Number of tokens remembered. A forged token is never remembered, so forged ones cannot push the honest ones
 * out.
 */
const maxRemembered = 10_000;
/** Tolerance for the difference between the clocks of two machines. */
const clockToleranceSeconds = 5;

/**
 * Verifies HS256 tokens with the shared secret. A verified token is remembered until it expires: the same bytes
 * were signed by the same key a moment ago, and HMAC on every request is the larger part of a small query.
 *
 * @param now milliseconds since the epoch; a parameter so that tests can move the clock
 */
export function makeVerifyToken(secret: string, now: () => number = Date.now): VerifyToken {
  const key = createSecretKey(Buffer.from(secret, 'utf8'));
  const remembered = new BoundedMap<string, { claims: Claims; expiresAt: number }>(maxRemembered);

  return async (token) => {
    const known = remembered.get(token);
    if (known) {
      if (now() < known.expiresAt) return known.claims;
      remembered.delete(token);
    }
    const payload = await verify(token, key, now);
    const claims = claimsFrom(payload);
    const expiresAt = payload.exp === undefined ? Infinity : (payload.exp + clockToleranceSeconds) * 1000;
    remembered.set(token, { claims, expiresAt });
    return claims;
  };
}

/** The contents of a new token. */
export interface TokenRequest {
  readonly role: RequestRole;
  readonly tenantId: string;
  readonly subject: string;
  /** Null: the token never expires. */
  readonly lifetimeSeconds: number | null;
}

/** Signs a token that `makeVerifyToken` accepts with the same secret. */
export async function signToken(secret: string, request: TokenRequest, now: Date): Promise<string> {
  const issuedAt = Math.floor(now.getTime() / 1000);
  const token = new SignJWT({ role: request.role, tenant_id: request.tenantId })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(request.subject)
    .setIssuedAt(issuedAt);
  if (request.lifetimeSeconds !== null) token.setExpirationTime(issuedAt + request.lifetimeSeconds);
  return token.sign(createSecretKey(Buffer.from(secret, 'utf8')));
}

async function verify(
  token: string,
  key: ReturnType<typeof createSecretKey>,
  now: () => number,
): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: ['HS256'],
      clockTolerance: clockToleranceSeconds,
      currentDate: new Date(now()),
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JWTExpired) {
      const at = new Date((error.payload.exp ?? 0) * 1000).toISOString();
      throw new TokenError('TOKEN_EXPIRED', `the token expired at ${at}`, { cause: error });
    }
    if (error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JOSEAlgNotAllowed) {
      throw new TokenError('TOKEN_FORGED', 'the token is not signed by this service', { cause: error });
    }
    if (error instanceof errors.JWTClaimValidationFailed) {
      throw new TokenError('TOKEN_CLAIMS', `the token is not valid: ${error.message}`, { cause: error });
    }
    throw new TokenError('TOKEN_MALFORMED', 'the token is not a JWT', { cause: error });
  }
}

function claimsFrom(payload: JWTPayload): Claims {
  const role = requestRoles.find((known) => known === payload['role']);
  if (role === undefined) {
    throw new TokenError(
      'TOKEN_CLAIMS',
      `the token's role is ${JSON.stringify(payload['role'] ?? null)}; expected one of ${requestRoles.join(', ')}`,
    );
  }
  const tenantId = payload['tenant_id'];
  if (role !== 'anon' && (typeof tenantId !== 'string' || tenantId === '')) {
    throw new TokenError('TOKEN_CLAIMS', `the token has the role ${role} but lacks a tenant_id`);
  }
  return Object.freeze({
    role,
    tenantId: role === 'anon' ? null : (tenantId as string),
    subject: payload.sub ?? null,
    json: JSON.stringify(payload),
  });
}

import { SignJWT } from 'jose';
import { requestRoles, roleTenantProblem } from './claims.ts';
import type { Claims, RequestRole } from './claims.ts';
import { JwtSecretError, ownKeys, parseJwtSecret } from './jwt-keys.ts';
import type { JwtKey } from './jwt-keys.ts';
import { RefusedToken } from './refused-token.ts';
import type { TokenRefusal } from './refused-token.ts';
import type { ClaimRules } from './registered-claims.ts';
import type { TokenPayload } from './signed-token.ts';
import { storableJson, storableText } from '../storable-text.ts';
import { TokenError } from './token-error.ts';
import type { TokenProblem } from './token-error.ts';
import type { TokenKeys } from './token-keys.ts';
import { makeTokenReader } from './token-reader.ts';

/** Turns a bearer token into claims. Rejects with TokenError. */
export type VerifyToken = (token: string) => Promise<Claims>;

/** Number of tokens remembered. */
const maxRemembered = 10_000;

/**
 * Verifies the JWTs of this project's API; see `makeTokenReader`. The same claims object serves all requests of one token.
 *
 * @param now milliseconds since the epoch; a parameter so that tests can move the clock
 */
export function makeVerifyToken(
  keys: TokenKeys,
  rules: ClaimRules,
  now: () => number = Date.now,
): VerifyToken {
  const reader = makeTokenReader({ keys, rules, maxRemembered }, claimsFrom, now);
  return async (token) => {
    try {
      return await reader.read(token);
    } catch (error) {
      if (!(error instanceof RefusedToken)) throw error;
      const [code, message] = inWords(error.refusal);
      throw new TokenError(code, message, { cause: error });
    }
  };
}

/** The contents of a new token. */
export interface TokenRequest {
  readonly role: RequestRole;
  /** Null: an operator's token. */
  readonly tenantId: string | null;
  readonly subject: string;
  /** Null: the token never expires. */
  readonly lifetimeSeconds: number | null;
  readonly issuer?: string | null;
  readonly audience?: string | null;
}

/**
 * Signs a token with the first key of a secret that can sign: the secret itself, or a private key. Rejects with JwtSecretError
 * when there is none.
 */
export async function signToken(secret: string, request: TokenRequest, now: Date): Promise<string> {
  const { signer, kid, algorithms } = signingKey(parseJwtSecret(Buffer.from(secret, 'utf8'), ownKeys));
  const alg = algorithmFor(signer, algorithms);
  const issuedAt = Math.floor(now.getTime() / 1000);
  const token = new SignJWT({
    role: request.role,
    ...(request.tenantId !== null && { tenant_id: request.tenantId }),
  })
    .setProtectedHeader({ alg, typ: 'JWT', ...(kid !== null && { kid }) })
    .setSubject(request.subject)
    .setIssuedAt(issuedAt);
  if (request.issuer) token.setIssuer(request.issuer);
  if (request.audience) token.setAudience(request.audience);
  if (request.lifetimeSeconds !== null) token.setExpirationTime(issuedAt + request.lifetimeSeconds);
  return token.sign(signer);
}

function signingKey(keys: readonly JwtKey[]): JwtKey & { readonly signer: NonNullable<JwtKey['signer']> } {
  for (const key of keys) if (key.signer !== null) return { ...key, signer: key.signer };
  throw new JwtSecretError(
    'JWT_SECRET has public keys only, which cannot sign: get tokens where the private key is',
  );
}

/** The first algorithm of the key; the curve of an EC key decides on its own. */
function algorithmFor(
  { asymmetricKeyDetails }: NonNullable<JwtKey['signer']>,
  algorithms: readonly string[],
): string {
  const curve = asymmetricKeyDetails?.namedCurve;
  const ofCurve = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }[curve ?? ''];
  return ofCurve ?? algorithms[0] ?? 'HS256';
}

function inWords(refusal: TokenRefusal): [code: TokenProblem, message: string] {
  const at = (seconds: number): string => {
    const moment = new Date(seconds * 1000);
    return Number.isNaN(moment.getTime()) ? `${seconds}` : moment.toISOString();
  };
  switch (refusal.kind) {
    case 'empty':
    case 'parts':
    case 'broken':
    case 'not-claims':
      return ['TOKEN_MALFORMED', 'the token is not a JWT'];
    case 'unsigned':
    case 'no-key':
    case 'wrong-key':
      return ['TOKEN_FORGED', 'the token is not signed by this service'];
    case 'keys-unknown':
      return ['TOKEN_KEYS_UNKNOWN', 'the published keys could not be read yet: try again in a while'];
    case 'expired':
      return ['TOKEN_EXPIRED', `the token expired at ${at(refusal.at)}`];
    case 'not-yet-valid':
      return ['TOKEN_CLAIMS', `the token is valid from ${at(refusal.from)} on`];
    case 'issued-in-future':
      return ['TOKEN_CLAIMS', 'the token was issued in the future: a clock is wrong'];
    case 'no-exp':
      return ['TOKEN_CLAIMS', 'the token lacks exp, and a token that never expires is not taken here'];
    case 'lives-too-long':
      return [
        'TOKEN_CLAIMS',
        `the token lives for ${Math.round(refusal.seconds)} s; ${refusal.most} s are the most (JWT_MAX_LIFETIME_SECONDS)`,
      ];
    case 'not-a-number':
      return ['TOKEN_CLAIMS', `the token's ${refusal.claim} is not a number`];
    case 'audience-malformed':
      return ['TOKEN_CLAIMS', "the token's aud is not a string or an array of strings"];
    case 'wrong-audience':
      return ['TOKEN_CLAIMS', 'the token is for another audience (aud)'];
    case 'wrong-issuer':
      return ['TOKEN_CLAIMS', 'the token is from another issuer (iss)'];
    default:
      return refusal satisfies never;
  }
}

function claimsFrom({ claims: payload }: TokenPayload, keyId: string): Claims {
  const role = requestRoles.find((known) => known === payload['role']);
  if (role === undefined) {
    throw new TokenError(
      'TOKEN_CLAIMS',
      `the token's role is ${JSON.stringify(payload['role'] ?? null)}; expected one of ${requestRoles.join(', ')}`,
    );
  }
  const tenantId = payload['tenant_id'];
  const problem = roleTenantProblem(role, tenantId);
  if (problem !== null) throw new TokenError('TOKEN_CLAIMS', `the token has ${problem}`);
  const subject = payload['sub'] ?? null;
  if (subject !== null && typeof subject !== 'string') {
    throw new TokenError('TOKEN_CLAIMS', "the token's sub is not a string");
  }
  for (const [name, value] of [
    ['tenant_id', tenantId],
    ['sub', subject],
  ]) {
    // With a mark in its place it could be the name of somebody else.
    if (typeof value === 'string' && value !== storableText(value)) {
      throw new TokenError(
        'TOKEN_CLAIMS',
        `the token's ${String(name)} is ${JSON.stringify(value)}, which Postgres cannot store: it has U+0000 or half of a surrogate pair`,
      );
    }
  }
  return Object.freeze({
    role,
    tenantId: role === 'anon' || role === 'operator' ? null : (tenantId as string),
    subject,
    keyId,
    json: storableJson(JSON.stringify(payload)),
  });
}

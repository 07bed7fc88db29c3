import { RefusedToken } from './refused-token.ts';
import type { TokenRefusal } from './refused-token.ts';

/** What the registered claims of a token have to say (RFC 7519, 4.1). */
export interface ClaimRules {
  /** Null: any issuer, also none. */
  readonly issuer: string | null;
  /** Null: any audience. */
  readonly audience: string | null;
  /** Whether a token without an audience counts as one for everybody, where an audience is asked for. */
  readonly forEverybody: boolean;
  /** Longest time from `iat` (without one: from now) to `exp`. Null: a token needs no `exp`. */
  readonly maxLifetimeSeconds: number | null;
  /** Tolerance for the difference between the clocks of two machines. */
  readonly skewSeconds: number;
}

type Claims = Readonly<Record<string, unknown>>;

/**
 * Checks the registered claims against the clock and the rules; a null claim counts as absent. Throws RefusedToken for the
 * first claim that does not hold.
 *
 * @param now seconds since the epoch
 */
export function checkClaims(claims: Claims, rules: ClaimRules, now: number): void {
  const { skewSeconds: skew } = rules;
  const exp = numberIn(claims, 'exp');
  if (exp !== null && now - skew > exp) refuse({ kind: 'expired', at: exp });
  const nbf = numberIn(claims, 'nbf');
  if (nbf !== null && now + skew < nbf) refuse({ kind: 'not-yet-valid', from: nbf });
  const iat = numberIn(claims, 'iat');
  if (iat !== null && now + skew < iat) refuse({ kind: 'issued-in-future' });
  checkLifetime(exp, iat ?? now, rules);
  checkAudience(claims['aud'] ?? null, rules);
  if (rules.issuer !== null && claims['iss'] !== rules.issuer) refuse({ kind: 'wrong-issuer' });
}

function checkLifetime(
  exp: number | null,
  since: number,
  { maxLifetimeSeconds: most, skewSeconds }: ClaimRules,
): void {
  if (most === null) return;
  if (exp === null) refuse({ kind: 'no-exp' });
  else if (exp - since > most + skewSeconds) refuse({ kind: 'lives-too-long', seconds: exp - since, most });
}

function numberIn(claims: Claims, name: 'exp' | 'nbf' | 'iat'): number | null {
  const value = claims[name] ?? null;
  // A number of too many digits is read as infinite, and such a token would never end.
  if (value === null || (typeof value === 'number' && Number.isFinite(value))) return value;
  return refuse({ kind: 'not-a-number', claim: name });
}

function checkAudience(claimed: unknown, { audience, forEverybody }: ClaimRules): void {
  const audiences: readonly unknown[] = claimed === null ? [] : Array.isArray(claimed) ? claimed : [claimed];
  if (!audiences.every((each) => typeof each === 'string')) refuse({ kind: 'audience-malformed' });
  if (audience === null || (forEverybody && audiences.length === 0)) return;
  if (!audiences.includes(audience)) refuse({ kind: 'wrong-audience' });
}

function refuse(refusal: TokenRefusal): never {
  throw new RefusedToken(refusal);
}

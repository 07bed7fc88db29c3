import { invalidToken } from './signed-token.ts';

/** Clocks of two machines differ (PostgREST, Authentication, Time-Based Claims Validation). */
const toleranceSeconds = 30;

/**
 * Holds the claims that every token may have against the clock and the audience; null is as good as absent, and the
 * first that does not hold is the one that is named. Throws RestError PGRST303.
 *
 * @param audience null: any
 * @param now seconds since the epoch
 */
export function checkClaims(
  claims: Readonly<Record<string, unknown>>,
  audience: string | null,
  now: number,
): void {
  const exp = numberIn(claims, 'exp');
  if (exp !== null && now - toleranceSeconds > exp) throw invalidToken('PGRST303', 'JWT expired');
  const nbf = numberIn(claims, 'nbf');
  if (nbf !== null && now + toleranceSeconds < nbf) throw invalidToken('PGRST303', 'JWT not yet valid');
  const iat = numberIn(claims, 'iat');
  if (iat !== null && now + toleranceSeconds < iat) throw invalidToken('PGRST303', 'JWT issued at future');
  checkAudience(claims['aud'] ?? null, audience);
}

function numberIn(claims: Readonly<Record<string, unknown>>, name: string): number | null {
  const value = claims[name] ?? null;
  if (value === null || typeof value === 'number') return value;
  throw invalidToken('PGRST303', `The JWT '${name}' claim must be a number`);
}

/** A token for nobody in particular (no audience, or an empty array) is for everybody. */
function checkAudience(claimed: unknown, audience: string | null): void {
  if (claimed === null) return;
  const audiences: readonly unknown[] = Array.isArray(claimed) ? claimed : [claimed];
  if (!audiences.every((each) => typeof each === 'string')) {
    throw invalidToken('PGRST303', "The JWT 'aud' claim must be a string or an array of strings");
  }
  if (audience !== null && audiences.length > 0 && !audiences.includes(audience)) {
    throw invalidToken('PGRST303', 'JWT not in audience');
  }
}

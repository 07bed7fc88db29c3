import { invalidToken } from './signed-token.ts';

/** Tolerance for the clocks of two machines, which differ (PostgREST, Authentication, Time-Based Claims Validation). */
const toleranceSeconds = 30;

/**
 * Checks the registered claims against the clock and the audience; a null claim counts as absent. Throws RestError
 * PGRST303 for the first claim that does not hold.
 *
 * @param audience null: any audience is accepted
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

/** Checks the audience. A token without one, or with an empty array, is for everybody. */
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

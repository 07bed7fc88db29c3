import { parseExact, stringifySorted } from '../../exact-json.ts';
import { RestError } from '../../rest/errors.ts';
import type { IdentifyRequester, Requester } from '../../rest/requester.ts';
import type { JwtKey } from '../../auth/jwt-keys.ts';
import { RefusedToken } from '../../auth/refused-token.ts';
import type { ClaimRules } from '../../auth/registered-claims.ts';
import type { TokenPayload } from '../../auth/signed-token.ts';
import { fixedKeys } from '../../auth/token-keys.ts';
import { makeTokenReader } from '../../auth/token-reader.ts';
import type { RoleClaim } from './role-claim.ts';
import type { LookupCounts } from '../../bounded-map.ts';
import { restErrorOf } from './token-refusals.ts';

/** Tolerance for the clocks of two machines, which differ (PostgREST, Authentication, Time-Based Claims Validation). */
const skewSeconds = 30;

/** The payload of a request without a token. */
const emptyPayload: TokenPayload = { claims: {}, text: '{}' };

/** Rules for the tokens that are accepted, and for the roles that requests get. */
export interface IdentificationOptions {
  /** Null: the secret is not configured, so every token is refused. */
  readonly keys: readonly JwtKey[] | null;
  /** Null: tokens for any audience are accepted. */
  readonly audience: string | null;
  readonly roleClaim: RoleClaim;
  /** Role of requests without a token, and of tokens without a role. Null: they are refused. */
  readonly anonymousRole: string | null;
  /** How many tokens with a verified signature are remembered; 0: none. */
  readonly cacheMaxEntries: number;
}

/** The identification of requesters by PostgREST's rules. */
export interface RequesterIdentification {
  readonly identify: IdentifyRequester;
  readonly cacheCounts: () => LookupCounts;
}

/**
 * Identifies requesters as PostgREST does (Authentication): by a Bearer token's signature, times, audience and role.
 * Any other kind of credential counts as none. A signature is verified once and remembered; the claims are checked
 * against the clock at every request.
 *
 * @param now milliseconds since the epoch; a parameter so that tests can move the clock
 */
export function makeRequesterIdentification(
  options: IdentificationOptions,
  now: () => number = Date.now,
): RequesterIdentification {
  const { keys, audience, anonymousRole } = options;
  const rules: ClaimRules = {
    issuer: null,
    audience,
    // A token without an audience, or with an empty array, is for everybody.
    forEverybody: true,
    maxLifetimeSeconds: null,
    skewSeconds,
  };
  const reader = makeTokenReader(
    { keys: fixedKeys(keys ?? []), rules, maxRemembered: options.cacheMaxEntries },
    (payload) => requesterWith(payload, options),
    now,
  );
  const nobody = anonymousRole === null ? null : requesterOf(anonymousRole, emptyPayload, anonymousRole);

  const identify: IdentifyRequester = async (authorization) => {
    const token = bearerToken(authorization);
    if (token === undefined) return nobody ?? refuseAnonymous();
    if (keys === null) throw new RestError('PGRST300', 'Server lacks JWT secret');
    try {
      return await reader.read(token);
    } catch (error) {
      throw error instanceof RefusedToken ? restErrorOf(error.refusal) : error;
    }
  };
  return { identify, cacheCounts: reader.counts };
}

/** Undefined: the header is missing, or has another scheme. */
function bearerToken(authorization: string | undefined): string | undefined {
  const [, token] = /^bearer(?!\S)\s*(.*)$/is.exec(authorization ?? '') ?? [];
  return token;
}

function requesterWith(
  payload: TokenPayload,
  { roleClaim, anonymousRole }: IdentificationOptions,
): Requester {
  const found = roleClaim.find(payload.claims);
  const role =
    found === undefined ? anonymousRole : typeof found === 'string' ? found : JSON.stringify(found);
  return role === null ? refuseAnonymous() : requesterOf(role, payload, anonymousRole);
}

/** The claims that the database sees name the role that the request runs under, whatever role the token names. */
function requesterOf(role: string, payload: TokenPayload, anonymousRole: string | null): Requester {
  const claims = { ...(parseExact(payload.text) as Readonly<Record<string, unknown>>), role };
  return Object.freeze({
    role,
    settings: Object.freeze({ role, 'request.jwt.claims': stringifySorted(claims) }),
    isAnonymous: role === anonymousRole,
  });
}

function refuseAnonymous(): never {
  throw new RestError('PGRST302', 'Anonymous access is disabled', {
    headers: [['WWW-Authenticate', 'Bearer']],
  });
}

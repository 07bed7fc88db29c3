import { parseExact, stringifySorted } from '../../exact-json.ts';
import { RestError } from '../../rest/errors.ts';
import type { IdentifyRequester, Requester } from '../../rest/requester.ts';
import type { JwtKey } from '../../auth/jwt-keys.ts';
import { checkClaims } from './registered-claims.ts';
import type { RoleClaim } from './role-claim.ts';
import { BoundedMap } from '../../bounded-map.ts';
import type { LookupCounts } from '../../bounded-map.ts';
import { emptyPayload, readToken } from './signed-token.ts';
import type { TokenPayload } from './signed-token.ts';

/** Who gets in, and as whom. */
export interface IdentificationOptions {
  /** Null: there is no secret, and no token gets in. */
  readonly keys: readonly JwtKey[] | null;
  /** Null: tokens for any audience. */
  readonly audience: string | null;
  readonly roleClaim: RoleClaim;
  /** Role of requests without a token, and of tokens without a role. Null: they are refused. */
  readonly anonymousRole: string | null;
  /** Tokens whose signature is remembered; 0 for none. */
  readonly cacheMaxEntries: number;
}

/** Identifies requesters by PostgREST's rules. */
export interface RequesterIdentification {
  readonly identify: IdentifyRequester;
  readonly cacheCounts: () => LookupCounts;
}

/**
 * Identifies who asks as PostgREST does (Authentication): a Bearer token's signature, its times and audience, and the
 * role that it names; anything but a Bearer token is as good as none. A signature that was found good is remembered,
 * the claims are held against the clock at every request.
 *
 * @param now milliseconds since the epoch; the clock, so that tests can move it
 */
export function makeRequesterIdentification(
  options: IdentificationOptions,
  now: () => number = Date.now,
): RequesterIdentification {
  const { keys, audience, anonymousRole } = options;
  const verified = new BoundedMap<string, { readonly payload: TokenPayload; requester: Requester | null }>(
    options.cacheMaxEntries,
  );
  const nobody = anonymousRole === null ? null : requesterOf(anonymousRole, emptyPayload, anonymousRole);

  const identify: IdentifyRequester = async (authorization) => {
    const token = bearerToken(authorization);
    if (token === undefined) return nobody ?? refuseAnonymous();
    if (keys === null) throw new RestError('PGRST300', 'Server lacks JWT secret');
    let entry = verified.get(token);
    if (entry === undefined) {
      entry = { payload: await readToken(token, keys), requester: null };
      verified.set(token, entry);
    }
    checkClaims(entry.payload.claims, audience, Math.floor(now() / 1000));
    return (entry.requester ??= requesterWith(entry.payload, options));
  };
  return { identify, cacheCounts: () => verified.counts };
}

/** Undefined: the header is not there, or of another scheme. */
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

/** The claims that the database sees name the role that it runs under, whatever the token calls it. */
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

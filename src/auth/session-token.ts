import type { Database } from '../db/database.ts';
import { BoundedMap } from '../bounded-map.ts';
import { asRequester } from './requester.ts';
import { sql } from '../db/statement.ts';
import { anonymous, requestRoles } from './claims.ts';
import type { Claims } from './claims.ts';
import type { VerifyToken } from './jwt.ts';
import { TokenError } from './token-error.ts';

/** Number of sessions remembered at a time. */
const maxRemembered = 10_000;

/**
 * How long a revoked session may still open the API. A look-up is remembered for this long; otherwise every
 * request would look.
 */
const rememberedMs = 1_000;

/** Whether a bearer token belongs to a session, as `create_session` makes them, and is not a JWT. */
export function isSessionToken(token: string): boolean {
  return token.startsWith('lts_');
}

/**
 * Turns a session's token into the same claims as a JWT's, with the session's id and end (`session_id`, `exp`).
 * The look-up in the database runs as anonymous; its result counts for a second, or until the session ends.
 * Rejects with TokenError SESSION_ENDED, which does not reveal whether such a session ever existed, or with the
 * database's error.
 *
 * @param now milliseconds since the epoch; a parameter so that tests can move the clock
 */
export function makeVerifySession(
  database: Database,
  rolePrefix: string,
  now: () => number = Date.now,
): VerifyToken {
  /** A look-up under way is remembered as well, so that simultaneous requests share it. */
  const remembered = new BoundedMap<string, Found>(maxRemembered);
  const open = asRequester(database, anonymous, { rolePrefix });

  return async (token) => {
    const known = remembered.get(token);
    if (known && now() < known.until) return claimsOf(await known.session, now());
    if (!/^lts_[\w-]{43}$/.test(token))
      throw new TokenError(
        'TOKEN_MALFORMED',
        'the token has the prefix of a session token, but not its form',
      );
    // The second counts from before the look-up, so a revocation after it takes effect within the second.
    const found: Found = { session: lookUp(open, token), until: now() + rememberedMs };
    remembered.set(token, found);
    const forget = () => {
      if (remembered.get(token) === found) remembered.delete(token);
    };
    try {
      const session = await found.session;
      // Tokens that open nothing are forgotten, so that they cannot fill the memory.
      if (session === null) forget();
      return claimsOf(session, now());
    } catch (error) {
      forget();
      throw error;
    }
  };
}

/** The result of a token's look-up. */
interface Found {
  readonly session: Promise<OpenSession | null>;
  readonly until: number;
}

interface OpenSession {
  readonly claims: Claims;
  readonly expiresAt: number;
}

function claimsOf(session: OpenSession | null, now: number): Claims {
  if (session === null || session.expiresAt <= now) {
    throw new TokenError('SESSION_ENDED', 'the session has ended, was revoked, or never existed');
  }
  return session.claims;
}

async function lookUp(open: ReturnType<typeof asRequester>, token: string): Promise<OpenSession | null> {
  const { rows } = await open.query<{
    tenant_id: string;
    session_id: string;
    user_id: string;
    role: string;
    expires_at_ms: number;
  }>(sql`
    select tenant_id, session_id, user_id, role, extract(epoch from expires_at)::double precision * 1000 as expires_at_ms
    from ops.session_claims(${token})`);
  const row = rows[0];
  const role = requestRoles.find((known) => known === row?.role);
  if (row === undefined || role === undefined) return null;
  return {
    claims: Object.freeze({
      role,
      tenantId: row.tenant_id,
      subject: row.user_id,
      sessionId: row.session_id,
      json: JSON.stringify({
        role,
        tenant_id: row.tenant_id,
        sub: row.user_id,
        session_id: row.session_id,
        exp: Math.floor(row.expires_at_ms / 1000),
      }),
    }),
    expiresAt: row.expires_at_ms,
  };
}

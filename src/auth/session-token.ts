import type { Database } from '../db/database.ts';
import { BoundedMap } from '../bounded-map.ts';
import { asRequester } from './requester.ts';
import { sql } from '../db/statement.ts';
import { anonymous, requestRoles } from './claims.ts';
import type { Claims } from './claims.ts';
import type { VerifyToken } from './jwt.ts';
import { TokenError } from './token-error.ts';

/** Sessions remembered at a time. */
const maxRemembered = 10_000;

/** For so long a session that was revoked may still open the API: what was looked up is remembered, or every request would look. */
const rememberedMs = 1_000;

/** Whether a bearer token is that of a session, as `create_session` makes them, and not a JWT. */
export function isSessionToken(token: string): boolean {
  return token.startsWith('lts_');
}

/**
 * Turns the token of a session into the same claims as a JWT, with the session's id and its end (`session_id`, `exp`). Looks
 * into the database, as anonymous; what it found counts for a second, or until the session ends. Rejects with TokenError
 * SESSION_ENDED, which does not say whether there ever was such a session, or with the database's error.
 *
 * @param now milliseconds since the epoch; the clock, so that tests can move it
 */
export function makeVerifySession(
  database: Database,
  rolePrefix: string,
  now: () => number = Date.now,
): VerifyToken {
  /** A look-up that is under way is remembered, too: requests at the same time share it. */
  const remembered = new BoundedMap<string, Found>(maxRemembered);
  const open = asRequester(database, anonymous, { rolePrefix });

  return async (token) => {
    const known = remembered.get(token);
    if (known && now() < known.until) return claimsOf(await known.session, now());
    if (!/^lts_[\w-]{43}$/.test(token))
      throw new TokenError('TOKEN_MALFORMED', 'the token is not one of a session');
    // From before the look-up on: whatever is revoked after it counts within the second.
    const found: Found = { session: lookUp(open, token), until: now() + rememberedMs };
    remembered.set(token, found);
    const forget = () => {
      if (remembered.get(token) === found) remembered.delete(token);
    };
    try {
      const session = await found.session;
      // Nobody fills the memory with tokens that open nothing.
      if (session === null) forget();
      return claimsOf(session, now());
    } catch (error) {
      forget();
      throw error;
    }
  };
}

/** What a token was found to open. */
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
    throw new TokenError('SESSION_ENDED', 'the session is over, was revoked, or never was');
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

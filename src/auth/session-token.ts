import type { Installation } from '../db/installation.ts';
import { sql } from '../db/statement.ts';
import { anonymous, requestRoles } from './claims.ts';
import type { VerifyToken } from './jwt.ts';
import { makeVerifyLookedUp } from './looked-up-tokens.ts';
import type { LookedUp } from './looked-up-tokens.ts';
import { asRequester } from './requester.ts';

/** Whether a bearer token belongs to a session, as `create_session` makes them, and is not a JWT. */
export function isSessionToken(token: string): boolean {
  return token.startsWith('lts_');
}

/**
 * Turns a session's token into the same claims as a JWT's, with the session's id and end (`session_id`, `exp`).
 * The look-up in the database runs as anonymous. Rejects as makeVerifyLookedUp does.
 *
 * @param now milliseconds since the epoch; a parameter so that tests can move the clock
 */
export function makeVerifySession(installation: Installation, now: () => number = Date.now): VerifyToken {
  const open = asRequester(installation, anonymous);
  return makeVerifyLookedUp(
    {
      hasForm: (token) => /^lts_[\w-]{43}$/.test(token),
      // One for each statement: it prolongs a sliding session, and the lock of one tenant's row must not stop another's.
      mostPerLook: 1,
      lookUp: (tokens) => Promise.all(tokens.map((token) => lookUp(open, token))),
      malformed: 'the token has the prefix of a session token, but not its form',
      ended: { code: 'SESSION_ENDED', message: 'the session has ended, was revoked, or never existed' },
    },
    now,
  );
}

async function lookUp(open: ReturnType<typeof asRequester>, token: string): Promise<LookedUp | null> {
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

import { createHash } from 'node:crypto';
import type { Installation } from '../db/installation.ts';
import { sql } from '../db/statement.ts';
import { anonymous, requestRoles, roleTenantProblem } from './claims.ts';
import type { VerifyToken } from './jwt.ts';
import { makeVerifyLookedUp } from './looked-up-tokens.ts';
import type { LookedUp } from './looked-up-tokens.ts';
import { asRequester } from './requester.ts';

/** Whether a bearer token is an API key, as `lightning key create` and `create_api_key` make them. */
export function isApiKey(token: string): boolean {
  return token.startsWith('ltk_');
}

const checksumLength = 6;
const idLength = 12;

/** Whether a key has the form and the checksum of one that the database made (app_private.new_api_token). */
export function hasKeyForm(key: string): boolean {
  if (!/^ltk_[0-9a-f]{12}_[\w-]{49}$/.test(key)) return false;
  const body = key.slice(0, -checksumLength);
  return digestOf(body, 'base64url').startsWith(key.slice(-checksumLength));
}

/**
 * Turns API keys into the same claims as a JWT's: the subject is the key's name, and `key_id` the id of the key. The
 * look-up in the database runs as anonymous; it names the digest, so no key is in a statement. Rejects as
 * makeVerifyLookedUp does.
 *
 * @param onUsed called with the id of a key whenever it opened the API
 * @param now milliseconds since the epoch; a parameter so that tests can move the clock
 */
export function makeVerifyApiKey(
  installation: Installation,
  onUsed: (apiKeyId: string) => void,
  now: () => number = Date.now,
): VerifyToken {
  const open = asRequester(installation, anonymous);
  const verify = makeVerifyLookedUp(
    {
      hasForm: hasKeyForm,
      mostPerLook: 100,
      lookUp: (keys) => lookUp(open, keys),
      malformed: 'the token has the prefix of an API key, but not its form',
      ended: { code: 'KEY_ENDED', message: 'the API key has expired, was revoked, or never existed' },
    },
    now,
  );
  return async (key) => {
    const claims = await verify(key);
    if (claims.apiKeyId !== undefined) onUsed(claims.apiKeyId);
    return claims;
  };
}

interface KeyRow {
  readonly id: string;
  readonly tenant_id: string | null;
  readonly name: string;
  readonly role: string;
  readonly expires_at_ms: number | null;
}

async function lookUp(
  open: ReturnType<typeof asRequester>,
  keys: readonly string[],
): Promise<(LookedUp | null)[]> {
  const ids = keys.map((key) => key.slice(4, 4 + idLength));
  const digests = keys.map((key) => digestOf(key, 'hex'));
  const { rows } = await open.query<KeyRow & { digest: string }>(sql`
    select k.id, a.digest, k.tenant_id, k.name, k.role, extract(epoch from k.expires_at)::double precision * 1000 as expires_at_ms
    from unnest(${ids}::text[], ${digests}::text[]) a(id, digest)
    cross join lateral ops.key_claims(array[a.id], array[a.digest]) k`);
  // By the digest: two keys of a batch may name one id, and one of them have another secret.
  const found = new Map(rows.map((row) => [row.digest, lookedUp(row)]));
  return digests.map((digest) => found.get(digest) ?? null);
}

/** Null: the row has a role that this process does not know, or one that does not fit its tenant. */
function lookedUp({
  id,
  tenant_id: tenantId,
  name,
  role: named,
  expires_at_ms: end,
}: KeyRow): LookedUp | null {
  const role = requestRoles.find((known) => known === named);
  if (role === undefined || role === 'anon' || roleTenantProblem(role, tenantId) !== null) return null;
  return {
    claims: Object.freeze({
      role,
      tenantId,
      subject: name,
      apiKeyId: id,
      json: JSON.stringify({
        role,
        ...(tenantId !== null && { tenant_id: tenantId }),
        sub: name,
        key_id: id,
        ...(end !== null && { exp: Math.floor(end / 1000) }),
      }),
    }),
    expiresAt: end ?? Infinity,
  };
}

function digestOf(text: string, encoding: 'hex' | 'base64url'): string {
  return createHash('sha256').update(text).digest(encoding);
}

import { makeVerifyApiKey } from '../auth/api-key.ts';
import { makeAuthenticate } from '../auth/authenticate.ts';
import type { Authenticate } from '../auth/authenticate.ts';
import type { VerifyToken } from '../auth/jwt.ts';
import { keepKeyUses } from '../auth/key-uses.ts';
import { makeVerifySession } from '../auth/session-token.ts';
import { watchSuspendedTenants } from '../auth/suspended-tenants.ts';
import type { TokenKeys } from '../auth/token-keys.ts';
import { watchCredentials } from '../auth/watch-credentials.ts';
import type { WatchedCredentials } from '../auth/watch-credentials.ts';
import type { Installation } from '../db/installation.ts';

/** Who asks, at every door, and what ends their streams before their time. */
export interface Identities {
  readonly authenticate: Authenticate;
  readonly credentials: WatchedCredentials;
  /** Calls back with the id of each tenant that becomes suspended from now on. */
  onSuspended(callback: (tenantId: string) => void): void;
  /** Stops watching. Call it before the database is closed. */
  close(): Promise<void>;
}

/**
 * Starts to watch what can be revoked: sessions, API keys, tenants. Rejects when the list of suspended tenants cannot be read.
 *
 * @param onFailure makes the reporter of an event's failures
 */
export async function watchIdentities(
  installation: Installation,
  { verifyToken, watchKey }: { readonly verifyToken: VerifyToken; readonly watchKey: TokenKeys['watch'] },
  onFailure: (event: string) => (error: unknown) => void,
): Promise<Identities> {
  const suspendedTenants = await watchSuspendedTenants(installation, onFailure('suspended-tenants-unknown'));
  const credentials = watchCredentials(installation, watchKey, onFailure('sessions-unknown'));
  const keyUses = keepKeyUses(installation, onFailure('key-uses-untold'));
  const authenticate = makeAuthenticate(
    {
      jwt: verifyToken,
      session: makeVerifySession(installation),
      key: makeVerifyApiKey(installation, (apiKeyId) => keyUses.note(apiKeyId)),
    },
    (tenantId) => suspendedTenants.has(tenantId),
  );
  return {
    authenticate,
    credentials,
    onSuspended: (callback) => suspendedTenants.onSuspended(callback),
    close: async () => {
      await Promise.all([suspendedTenants.close(), credentials.close(), keyUses.close()]);
    },
  };
}

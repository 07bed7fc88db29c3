import type { Installation } from '../db/installation.ts';
import { asObserver } from './requester.ts';
import { sql } from '../db/statement.ts';
import { repeat } from '../repeat.ts';
import type { Repeating } from '../repeat.ts';
import type { Claims } from './claims.ts';
import type { TokenKeys } from './token-keys.ts';

/** Why a stream ends before its time: what opened it does not count any longer. */
export type CredentialEnd = 'SESSION_ENDED' | 'KEY_ENDED';

/** The sessions and API keys behind this process's open streams. */
export interface WatchedCredentials {
  /**
   * Calls back once, when the session or API key of the claims was revoked or has ended, or its tenant was suspended; for
   * a JWT's claims, when the key that signed it was removed. The returned function ends the watch.
   */
  watch(claims: Claims, onEnded: (why: CredentialEnd) => void): () => void;
  /** Ends every watch. */
  close(): Promise<void>;
}

/** Interval between checks. A stream may outlive its credential by this, and by the time that the check takes. */
const lookEveryMs = 1_000;

interface Credential {
  readonly kind: 'session' | 'key';
  readonly id: string;
  /** Null: an operator's key. */
  readonly tenantId: string | null;
}

interface Watched extends Credential {
  /** The callbacks of the credential's streams. */
  readonly onEnded: Set<() => void>;
}

/**
 * Checks every second whether the watched sessions and keys are still open: one statement for all of them, however many
 * streams each has, and none while nothing is watched. Streams stay open while the database cannot be asked, because all
 * that they could carry comes from the same database; `onError` is called once for that.
 */
export function watchCredentials(
  installation: Installation,
  watchKey: TokenKeys['watch'],
  onError: (error: unknown) => void,
): WatchedCredentials {
  const watched = new Map<string, Watched>();
  const observer = asObserver(installation);
  let looking: Repeating | null = null;
  let failing = false;

  const look = async (): Promise<void> => {
    const asked = [...watched];
    if (asked.length === 0) return;
    const of = (kind: Credential['kind']) =>
      asked.flatMap(([, credential]) => (credential.kind === kind ? [credential] : []));
    const sessions = of('session');
    const { rows } = await observer.query<{ name: string }>(sql`
      select 'session:' || id as name from ops.live_sessions(
        ${sessions.map(({ tenantId }) => tenantId)}::text[], ${sessions.map(({ id }) => id)}::uuid[]
      ) id
      union all
      select 'key:' || id from ops.live_keys(${of('key').map(({ id }) => id)}::text[]) id`);
    failing = false;
    const live = new Set(rows.map(({ name }) => name));
    for (const [name, { onEnded }] of asked) {
      if (live.has(name)) continue;
      // A stream that joined during the query may have been let in just before the end, so it ends as well.
      watched.delete(name);
      for (const end of onEnded) end();
    }
  };
  const failed = (error: unknown): void => {
    if (!failing) onError(error);
    failing = true;
  };
  const stop = async (): Promise<void> => {
    const stopped = looking;
    looking = null;
    await stopped?.stop();
  };

  return {
    watch: (claims, onEnded) => {
      if (claims.keyId !== undefined) return watchKey(claims.keyId, () => onEnded('SESSION_ENDED'));
      const credential = credentialOf(claims);
      if (credential === null) return () => {};
      const name = `${credential.kind}:${credential.id}`;
      const entry = watched.get(name) ?? { ...credential, onEnded: new Set() };
      watched.set(name, entry);
      // A wrapper, because two streams may have passed the same function.
      const end = () => onEnded(credential.kind === 'key' ? 'KEY_ENDED' : 'SESSION_ENDED');
      entry.onEnded.add(end);
      looking ??= repeat(look, lookEveryMs, failed);
      return () => {
        entry.onEnded.delete(end);
        if (entry.onEnded.size === 0 && watched.get(name) === entry) watched.delete(name);
        if (watched.size === 0) void stop();
      };
    },
    close: async () => {
      watched.clear();
      await stop();
    },
  };
}

/** Null: a JWT, or nobody. */
function credentialOf({ sessionId, apiKeyId, tenantId }: Claims): Credential | null {
  if (apiKeyId !== undefined) return { kind: 'key', id: apiKeyId, tenantId };
  return sessionId === undefined || tenantId === null ? null : { kind: 'session', id: sessionId, tenantId };
}

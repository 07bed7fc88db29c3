import type { Database } from '../db/database.ts';
import { asObserver } from './requester.ts';
import { sql } from '../db/statement.ts';
import { repeat } from '../repeat.ts';
import type { Repeating } from '../repeat.ts';
import type { Claims } from './claims.ts';

/** The sessions behind this process's open streams. */
export interface WatchedSessions {
  /**
   * Calls back once, when the session of the claims was revoked or has ended, or its tenant was suspended.
   * Never calls back for a JWT's claims, because a JWT cannot be revoked. The returned function ends the watch.
   */
  watch(claims: Claims, onEnded: () => void): () => void;
  /** Ends every watch. */
  close(): Promise<void>;
}

/** Interval between checks. A stream may outlive its session by this, and by the time that the check takes. */
const lookEveryMs = 1_000;

interface Watched {
  readonly tenantId: string;
  /** The callbacks of the session's streams. */
  readonly onEnded: Set<() => void>;
}

/**
 * Checks every second whether the watched sessions are still open: one statement for all of them, however many
 * streams each has, and none while no session is watched. Streams stay open while the database cannot be asked;
 * `onError` is called once for that.
 */
export function watchSessions(
  database: Database,
  rolePrefix: string,
  onError: (error: unknown) => void,
): WatchedSessions {
  const watched = new Map<string, Watched>();
  const session = asObserver(database, rolePrefix);
  let looking: Repeating | null = null;
  let failing = false;

  const look = async (): Promise<void> => {
    const asked = [...watched];
    if (asked.length === 0) return;
    const { rows } = await session.query<{ id: string }>(sql`
      select id from ops.live_sessions(
        ${asked.map(([, { tenantId }]) => tenantId)}::text[], ${asked.map(([id]) => id)}::uuid[]
      ) id`);
    failing = false;
    const live = new Set(rows.map(({ id }) => id));
    for (const [id, { onEnded }] of asked) {
      if (live.has(id)) continue;
      // A stream that joined during the query may have been let in just before the session ended, so it ends as
      // well.
      watched.delete(id);
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
      const { sessionId: id, tenantId } = claims;
      if (id === undefined || tenantId === null) return () => {};
      const entry = watched.get(id) ?? { tenantId, onEnded: new Set() };
      watched.set(id, entry);
      // A wrapper, because two streams may have passed the same function.
      const end = () => onEnded();
      entry.onEnded.add(end);
      looking ??= repeat(look, lookEveryMs, failed);
      return () => {
        entry.onEnded.delete(end);
        if (entry.onEnded.size === 0 && watched.get(id) === entry) watched.delete(id);
        if (watched.size === 0) void stop();
      };
    },
    close: async () => {
      watched.clear();
      await stop();
    },
  };
}

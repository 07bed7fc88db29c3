import type { Database } from '../db/database.ts';
import { asObserver } from './requester.ts';
import { sql } from '../db/statement.ts';
import { repeat } from '../repeat.ts';
import type { Repeating } from '../repeat.ts';
import type { Claims } from './claims.ts';

/** The sessions behind this process's open streams. */
export interface WatchedSessions {
  /**
   * Calls back once when the session of the claims was revoked, is over, or its tenant is locked out; never for claims of a
   * JWT, which nobody can revoke. The returned function calls it off.
   */
  watch(claims: Claims, onEnded: () => void): () => void;
  /** Calls back nobody any more. */
  close(): Promise<void>;
}

/** A stream outlives its session by so much, and the time that the look takes. */
const lookEveryMs = 1_000;

interface Watched {
  readonly tenantId: string;
  /** Of each of the session's streams. */
  readonly onEnded: Set<() => void>;
}

/**
 * Looks every second whether the watched sessions are still open: one statement for all of them, however many streams each
 * has, and none while there is none. Streams stay open while the database cannot be asked; `onError` hears of it once.
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
      // Who came while we asked may have been let in just before it ended: it is over for them, too.
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
      // A function of its own: two streams may have handed in the same one.
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

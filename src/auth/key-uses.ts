import { BoundedMap } from '../bounded-map.ts';
import type { Installation } from '../db/installation.ts';
import { sql } from '../db/statement.ts';
import { tellLater } from '../db/tell-later.ts';
import { asObserver } from './requester.ts';

/** The uses of API keys that this process notes in the database. */
export interface KeyUses {
  /** Notes a use. Costs a look into a map: the database is told later, by nobody's request. */
  note(keyId: string): void;
  /** Tells the database what it does not know yet, if it answers. */
  close(): Promise<void>;
}

/** How long a key's use is not told again. The database counts this minute as well, for all processes together. */
const everyMs = 60_000;
/** Uses are gathered for this long, so that one statement tells of many keys. */
const gatheredMs = 1_000;
const mostKeys = 10_000;

/**
 * Tells the database which keys were used: each once a minute at most, many in one statement. A use that could not be told is
 * lost, and `onError` is called for the first in a row of failures.
 */
export function keepKeyUses(installation: Installation, onError: (error: unknown) => void): KeyUses {
  const observer = asObserver(installation);
  const told = new BoundedMap<string, number>(mostKeys);
  const pending = new Set<string>();
  const tell = async (): Promise<void> => {
    const ids = [...pending];
    pending.clear();
    if (ids.length > 0) await observer.query(sql`select ops.note_key_use(${ids}::text[])`);
  };
  const telling = tellLater(gatheredMs, tell, onError);
  return {
    note: (keyId) => {
      const now = performance.now();
      const last = told.get(keyId);
      if ((last !== undefined && now - last < everyMs) || pending.size >= mostKeys) return;
      told.set(keyId, now);
      pending.add(keyId);
      telling.due();
    },
    close: () => telling.close(),
  };
}

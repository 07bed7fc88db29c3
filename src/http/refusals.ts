import { asObserver } from '../auth/requester.ts';
import type { Installation } from '../db/installation.ts';
import { sql } from '../db/statement.ts';
import { tellLater } from '../db/tell-later.ts';

/** The callers that this process refused because they ask for too much. */
export interface Refusals {
  /** Notes a refusal. Costs a look into a map: the database is told later. */
  note(what: string, caller: string): void;
  /** Tells the database what it does not know yet, if it answers. */
  close(): Promise<void>;
}

/** Refusals are gathered for this long: a flood is thousands a second, and an alert names who sends it within half a minute. */
const gatheredMs = 3_000;
/** Of one time. Further callers are not noted. */
const mostCallers = 1_000;

interface Refused {
  readonly what: string;
  readonly caller: string;
  readonly count: number;
}

/**
 * Tells the database who is refused and how often, for the alert `refused_callers`. What could not be told is lost, and `onError`
 * is called for the first in a row of failures.
 */
export function keepRefusals(installation: Installation, onError: (error: unknown) => void): Refusals {
  const observer = asObserver(installation);
  let refused = new Map<string, Refused>();
  const tell = async (): Promise<void> => {
    const rows = [...refused.values()];
    refused = new Map();
    if (rows.length > 0) await observer.query(sql`select ops.note_refusals(${JSON.stringify(rows)}::jsonb)`);
  };
  const telling = tellLater(gatheredMs, tell, onError);
  return {
    note: (what, caller) => {
      const key = `${what}: ${caller}`;
      const known = refused.get(key);
      if (known === undefined && refused.size >= mostCallers) return;
      refused.set(key, { what, caller, count: (known?.count ?? 0) + 1 });
      telling.due();
    },
    close: () => telling.close(),
  };
}

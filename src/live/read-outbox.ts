import type { Database } from '../db/database.ts';
import { asObserver } from '../auth/requester.ts';
import { sql } from '../db/statement.ts';
import type { ChangeOperation } from './change.ts';
import { formatSnapshot, includes, parseSnapshot } from './position.ts';
import type { Position, Snapshot } from './position.ts';
import type { Topic } from './topic.ts';

/** A statement's changes of one tenant. */
export interface OutboxRow {
  readonly transaction: number;
  readonly id: number;
  readonly tenantId: string;
  readonly topic: Topic;
  readonly operation: ChangeOperation;
  /** Null: more than can be told one by one. */
  readonly keys: readonly string[] | null;
}

/** What was new behind a position. */
export interface OutboxBatch {
  /** In the order to deliver them, which is the one that `advance` counts on. */
  readonly rows: readonly OutboxRow[];
  /** What was visible when it was read. */
  readonly seen: Snapshot;
  /** False: there is more; go on behind the last row. */
  readonly isComplete: boolean;
  /** Rows that were new may have been trimmed already, or the position is of another database. */
  readonly isTooLate: boolean;
}

/** Statements, and keys of rows, that are read at once; of a statement all or none. */
const maxRows = 200;
const maxKeys = 1_000;

/** Reads what the tenants' outbox has behind the position; null: nothing, only what is visible now. */
export async function readOutbox(
  database: Database,
  rolePrefix: string,
  position: Position | null,
  tenants: readonly string[],
): Promise<OutboxBatch> {
  const since = position === null ? null : formatSnapshot(position.snapshot);
  const partial = position?.partial ?? null;
  const session = asObserver(database, rolePrefix);
  const { rows } = await session.query<Answer>(sql`
    select r.current_snapshot as current, r.trimmed_snapshot as trimmed, r.events
    from ops.read_events(
      ${since}::pg_snapshot, ${partial?.transaction ?? null}::text::xid8, ${partial?.id ?? null}::bigint,
      ${tenants}::text[], ${maxRows}::integer
    ) r`);
  const answer = rows[0];
  if (!answer) throw new Error('ops.read_events gave no row');
  const seen = snapshotOf(answer.current);
  const trimmed = answer.trimmed === null ? null : snapshotOf(answer.trimmed);
  let keys = 0;
  const taken = answer.events.filter((row, i) => (keys += row.keys?.length ?? 1) <= maxKeys || i === 0);
  return {
    rows: taken,
    seen,
    isComplete: answer.events.length < maxRows && taken.length === answer.events.length,
    isTooLate:
      position !== null &&
      ((trimmed !== null && !includes(position.snapshot, trimmed)) || position.snapshot.end > seen.end),
  };
}

interface Answer {
  readonly current: string;
  readonly trimmed: string | null;
  readonly events: readonly OutboxRow[];
}

function snapshotOf(text: string): Snapshot {
  const snapshot = parseSnapshot(text);
  if (snapshot === null) throw new Error(`the database gave a snapshot that cannot be read: ${text}`);
  return snapshot;
}

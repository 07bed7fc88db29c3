import type { Installation } from '../db/installation.ts';
import { asObserver } from '../auth/requester.ts';
import { sql } from '../db/statement.ts';
import type { ChangeOperation } from './change.ts';
import { formatSnapshot, includes, parseSnapshot } from './position.ts';
import type { Position, Snapshot } from './position.ts';
import type { Topic } from './topic.ts';

/** The changes that one statement made in one tenant. */
export interface OutboxRow {
  readonly transaction: number;
  readonly id: number;
  readonly tenantId: string;
  readonly topic: Topic;
  readonly operation: ChangeOperation;
  /** Null: too many changes to tell one by one. */
  readonly keys: readonly string[] | null;
}

/** The rows of the outbox after a position. */
export interface OutboxBatch {
  /** In delivery order, which `advance` relies on. */
  readonly rows: readonly OutboxRow[];
  /** The snapshot of the read. */
  readonly seen: Snapshot;
  /** False: there is more; continue after the last row. */
  readonly isComplete: boolean;
  /** New rows may already have been trimmed, or the position comes from another database. */
  readonly isTooLate: boolean;
}

/** Limits of one read: statements, and keys of rows. The keys of a statement are read all or none. */
const maxRows = 200;
const maxKeys = 1_000;

/** Reads the tenants' outbox after the position; with null it reads no rows and only takes the snapshot. */
export async function readOutbox(
  installation: Installation,
  position: Position | null,
  tenants: readonly string[],
): Promise<OutboxBatch> {
  const since = position === null ? null : formatSnapshot(position.snapshot);
  const partial = position?.partial ?? null;
  const scoped = asObserver(installation);
  const { rows } = await scoped.query<Answer>(sql`
    select r.current_snapshot as current, r.trimmed_snapshot as trimmed, r.events
    from ops.read_events(
      ${since}::pg_snapshot, ${partial?.transaction ?? null}::text::xid8, ${partial?.id ?? null}::bigint,
      ${tenants}::text[], ${maxRows}::integer
    ) r`);
  const answer = rows[0];
  if (!answer) throw new Error('ops.read_events returned no row');
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
  if (snapshot === null) throw new Error(`the database returned a snapshot that cannot be parsed: ${text}`);
  return snapshot;
}

import type { Installation } from '../db/installation.ts';
import type { Change } from './change.ts';
import { advance, includes, isBehind, positionOf } from './position.ts';
import type { Position } from './position.ts';
import type { OutboxBatch, OutboxRow } from './read-outbox.ts';
import { readRows } from './read-rows.ts';
import type { Viewer } from './read-rows.ts';
import type { Topic } from './topic.ts';

/** One subscriber's interest in a batch. */
export interface Wish {
  readonly viewer: Viewer;
  readonly topics: ReadonlySet<Topic>;
  /** The id of the only row wanted; null: all rows. */
  readonly key: string | null;
  /** Changes up to here are already delivered. */
  readonly position: Position;
}

/** The changes of a batch that one subscriber gets, and its position after them. */
export interface Share {
  readonly changes: readonly Change[];
  readonly position: Position;
}

/**
 * A batch of the outbox, prepared for all subscribers who want part of it. Only wanted rows are read, once per role and
 * tenant, with one query per topic.
 */
export class BatchChanges {
  readonly #installation: Installation;
  readonly #batch: OutboxBatch;
  /** The wanted keys by viewer and topic; null: all keys. */
  readonly #wanted = new Map<string, Set<string> | null>();
  readonly #rows = new Map<string, Promise<ReadonlyMap<string, string> | null>>();
  readonly #changes = new Map<string, Map<Position, Promise<readonly Change[]>>>();
  readonly #ends = new Map<Position, Position>();
  readonly #seen: Position;

  constructor(installation: Installation, batch: OutboxBatch, wishes: readonly Wish[]) {
    this.#installation = installation;
    this.#batch = batch;
    this.#seen = positionOf(batch.seen);
    for (const wish of wishes) {
      for (const topic of wish.topics) {
        const name = nameOf(wish.viewer, topic);
        const keys = this.#wanted.get(name);
        if (wish.key === null) this.#wanted.set(name, null);
        else if (keys !== null) this.#wanted.set(name, (keys ?? new Set()).add(wish.key));
      }
    }
  }

  /** The share of one wish. Rejects when its rows cannot be read. */
  async share(wish: Wish): Promise<Share> {
    const { viewer, position } = wish;
    const end = this.end(position);
    if (this.#batch.isTooLate) {
      return { changes: [{ kind: 'reset', topic: null, reason: 'too_old', position: end }], position: end };
    }
    // A subscriber that catches up may have seen more than this batch holds.
    if (end === position) return { changes: [], position };
    const name = `${viewer.role} ${viewer.tenantId}`;
    const byPosition = this.#changes.get(name) ?? new Map<Position, Promise<readonly Change[]>>();
    this.#changes.set(name, byPosition);
    const changes = byPosition.get(position) ?? this.#changesOf(viewer, position);
    byPosition.set(position, changes);
    return { changes: (await changes).filter((change) => isWished(wish, change)), position: end };
  }

  /** A subscriber's position after this batch. Subscribers at the same position get the same object. */
  end(position: Position): Position {
    const known = this.#ends.get(position);
    if (known) return known;
    const { seen, rows, isComplete, isTooLate } = this.#batch;
    const last = rows.at(-1);
    let end = this.#seen;
    if (!isTooLate) {
      if (includes(position.snapshot, seen)) end = position;
      else if (!isComplete && last) end = advance(position, seen, behind(last));
    }
    this.#ends.set(position, end);
    return end;
  }

  async #changesOf(viewer: Viewer, from: Position): Promise<readonly Change[]> {
    const changes: Change[] = [];
    for (const row of this.#batch.rows) {
      const { tenantId, topic, operation } = row;
      if (tenantId !== viewer.tenantId || !this.#wanted.has(nameOf(viewer, topic))) continue;
      const visible = row.keys === null ? null : await this.#rowsOf(viewer, topic);
      if (row.keys === null || visible === null) {
        if (isBehind(from, row, 0)) continue;
        const position = advance(from, this.#batch.seen, behind(row));
        const reason = row.keys === null ? 'too_many' : 'too_large';
        changes.push({ kind: 'reset', topic, reason, position });
        continue;
      }
      for (const [i, key] of row.keys.entries()) {
        const json = visible.get(key) ?? null;
        // A deletion counts only if the row is gone, and any other operation only if it is there: otherwise a later
        // event contradicts this one. So the last event that is told shows the row as it is, whichever order the
        // transactions are read in.
        if (isBehind(from, row, i) || (json === null) !== (operation === 'delete')) continue;
        const position = advance(from, this.#batch.seen, { ...behind(row), keys: i + 1 });
        changes.push({ kind: 'row', topic, operation, key, row: json, position });
      }
    }
    return changes;
  }

  #rowsOf(viewer: Viewer, topic: Topic): Promise<ReadonlyMap<string, string> | null> {
    const name = nameOf(viewer, topic);
    const known = this.#rows.get(name);
    if (known) return known;
    const wanted = this.#wanted.get(name);
    const keys = new Set<string>();
    for (const row of this.#batch.rows) {
      if (row.tenantId !== viewer.tenantId || row.topic !== topic) continue;
      for (const key of row.keys ?? []) if (wanted?.has(key) ?? true) keys.add(key);
    }
    const reading =
      keys.size === 0
        ? Promise.resolve<ReadonlyMap<string, string> | null>(new Map())
        : readRows(this.#installation, viewer, topic, [...keys]);
    this.#rows.set(name, reading);
    return reading;
  }
}

function nameOf({ role, tenantId }: Viewer, topic: Topic): string {
  return `${topic} ${role} ${tenantId}`;
}

function behind({ transaction, id, keys }: OutboxRow) {
  return { transaction, id, keys: keys?.length ?? 1 };
}

function isWished({ topics: wanted, key }: Wish, change: Change): boolean {
  if (change.topic !== null && !wanted.has(change.topic)) return false;
  return key === null || change.kind === 'reset' || change.key === key;
}

import type { Database } from '../db/database.ts';
import type { Change } from './change.ts';
import { advance, includes, isBehind, positionOf } from './position.ts';
import type { Position } from './position.ts';
import type { OutboxBatch, OutboxRow } from './read-outbox.ts';
import { readRows } from './read-rows.ts';
import type { Viewer } from './read-rows.ts';
import type { Topic } from './topic.ts';

/** What is wanted of a batch, by whom. */
export interface Wish {
  readonly viewer: Viewer;
  readonly topics: ReadonlySet<Topic>;
  /** Of one row only. */
  readonly key: string | null;
  /** Behind what they have. */
  readonly position: Position;
}

/** What somebody gets of a batch, and where they are then. */
export interface Share {
  readonly changes: readonly Change[];
  readonly position: Position;
}

/**
 * A batch of the outbox as it is delivered to everybody who wishes for some of it. Rows are read once for each role and
 * tenant that is among the wishes, by one query a topic, and only those that somebody wants.
 */
export class BatchChanges {
  readonly #database: Database;
  readonly #rolePrefix: string;
  readonly #batch: OutboxBatch;
  /** By viewer and topic: the keys that somebody wants, null for all. */
  readonly #wanted = new Map<string, Set<string> | null>();
  readonly #rows = new Map<string, Promise<ReadonlyMap<string, string> | null>>();
  readonly #changes = new Map<string, Map<Position, Promise<readonly Change[]>>>();
  readonly #ends = new Map<Position, Position>();
  readonly #seen: Position;

  constructor(database: Database, rolePrefix: string, batch: OutboxBatch, wishes: readonly Wish[]) {
    this.#database = database;
    this.#rolePrefix = rolePrefix;
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

  /** What one of the wishes gets. Rejects when rows cannot be read. */
  async share(wish: Wish): Promise<Share> {
    const { viewer, position } = wish;
    const end = this.end(position);
    if (this.#batch.isTooLate) {
      return { changes: [{ kind: 'reset', topic: null, reason: 'too_old', position: end }], position: end };
    }
    // Who catches up may have seen more than is in here.
    if (end === position) return { changes: [], position };
    const name = `${viewer.role} ${viewer.tenantId}`;
    const byPosition = this.#changes.get(name) ?? new Map<Position, Promise<readonly Change[]>>();
    this.#changes.set(name, byPosition);
    const changes = byPosition.get(position) ?? this.#changesOf(viewer, position);
    byPosition.set(position, changes);
    return { changes: (await changes).filter((change) => isWished(wish, change)), position: end };
  }

  /** Where somebody is behind this batch. The same object for all who were at the same one. */
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
        // A deletion counts if the row is not there, and all else if it is: another event tells the contrary. So what is
        // told last is how it is, in whichever order transactions that did both are read.
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
        : readRows(this.#database, this.#rolePrefix, viewer, topic, [...keys]);
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

import type { Position } from './position.ts';
import type { Topic } from './topic.ts';

/** The kind of a change to a row. */
export type ChangeOperation = 'insert' | 'update' | 'delete';

/** A message to a subscriber. */
export type Change = RowChange | Reset;

/** A row changed. */
export interface RowChange {
  readonly kind: 'row';
  readonly topic: Topic;
  readonly operation: ChangeOperation;
  /** The row's id as text. */
  readonly key: string;
  /** The row as the subscriber may see it now, as JSON text; null when it was deleted. */
  readonly row: string | null;
  /** Where to resume after this change. */
  readonly position: Position;
}

/** Changes cannot be told one by one: the subscriber has to query again what it shows. */
export interface Reset {
  readonly kind: 'reset';
  /** The topic to query again; null: all topics. */
  readonly topic: Topic | null;
  /**
   * `too_many`: too many rows changed at once. `too_large`: the rows are too large to be read together. `too_old`: the
   * outbox no longer reaches back to the subscriber's position.
   */
  readonly reason: 'too_many' | 'too_large' | 'too_old';
  readonly position: Position;
}

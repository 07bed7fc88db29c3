import type { Position } from './position.ts';
import type { Topic } from './topic.ts';

/** What happened to a row. */
export type ChangeOperation = 'insert' | 'update' | 'delete';

/** What a subscriber is told. */
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
  /** Where to go on after it. */
  readonly position: Position;
}

/** Changes cannot be told one by one: look for yourself at what you show. */
export interface Reset {
  readonly kind: 'reset';
  /** What to look at; null: everything. */
  readonly topic: Topic | null;
  /**
   * `too_many` rows changed at once, or they are `too_large` to be read together, or the outbox does not reach back (`too_old`) to
   * where the subscriber was.
   */
  readonly reason: 'too_many' | 'too_large' | 'too_old';
  readonly position: Position;
}

/** Postgres's pg_snapshot: it says which transactions are visible. Ids are 64 bits wide but stay far below 2^53. */
export interface Snapshot {
  /** Every transaction from this one on is invisible. */
  readonly end: number;
  /**
   * Transactions below `end` that are also invisible, because they were running when the snapshot was taken.
   * Ascending.
   */
  readonly running: readonly number[];
}

/**
 * How far a subscriber has read the outbox: everything that the snapshot shows, plus the first part of one
 * transaction that it does not show.
 */
export interface Position {
  readonly snapshot: Snapshot;
  readonly partial: Place | null;
}

/** A place inside a transaction: after all rows below `id`, and after the first `keys` keys of row `id`. */
export interface Place {
  readonly transaction: number;
  readonly id: number;
  readonly keys: number;
}

/** The position after everything that a snapshot shows. */
export function positionOf(snapshot: Snapshot): Position {
  return { snapshot, partial: null };
}

/** Whether the snapshot shows the transaction. */
export function isVisible(snapshot: Snapshot, transaction: number): boolean {
  return transaction < snapshot.end && !snapshot.running.includes(transaction);
}

/**
 * Whether `newer` shows everything that `older` shows. Any two snapshots of one server can be ordered
 * this way.
 */
export function includes(newer: Snapshot, older: Snapshot): boolean {
  return older.end <= newer.end && newer.running.every((id) => id >= older.end || older.running.includes(id));
}

/** Whether the key at index `key` (from 0) of a row was already read. */
export function isBehind(
  position: Position,
  row: { readonly transaction: number; readonly id: number },
  key: number,
): boolean {
  const { snapshot, partial } = position;
  if (isVisible(snapshot, row.transaction)) return true;
  if (partial?.transaction !== row.transaction) return false;
  return row.id < partial.id || (row.id === partial.id && key < partial.keys);
}

/**
 * The position after `place`, for a subscriber that was at `position`, then read with the snapshot `seen` and took
 * the new rows in order: first the rest of the transaction that it had read in part, then the other transactions by
 * id. A transaction that it already knew stays known.
 */
export function advance(position: Position, seen: Snapshot, place: Place): Position {
  const { snapshot, partial } = position;
  const { transaction } = place;
  if (partial?.transaction === transaction) return { snapshot, partial: place };
  const isKnown = isVisible(snapshot, transaction);
  const missedBefore = snapshot.running.filter(
    (id) =>
      id !== partial?.transaction && (id > transaction || (id < transaction && seen.running.includes(id))),
  );
  const missedSince = seen.running.filter((id) => id >= snapshot.end && id < transaction);
  const running = [...missedBefore, ...missedSince, ...(isKnown ? [] : [transaction])];
  return {
    snapshot: { end: Math.max(snapshot.end, transaction + 1), running: running.toSorted((a, b) => a - b) },
    partial: isKnown ? null : place,
  };
}

/** The text form that Postgres uses: `xmin:xmax:xip`. */
export function formatSnapshot({ end, running }: Snapshot): string {
  return `${running[0] ?? end}:${end}:${running.join()}`;
}

/** Parses the text of Postgres or `formatSnapshot`; null for any other text. */
export function parseSnapshot(text: string): Snapshot | null {
  const [, begin, end, list] = /^(\d{1,16}):(\d{1,16}):((?:\d{1,16}(?:,\d{1,16})*)?)$/.exec(text) ?? [];
  if (begin === undefined || end === undefined || list === undefined) return null;
  const running = list === '' ? [] : list.split(',').map(Number);
  const snapshot = { end: Number(end), running };
  const isAscending = running.every((id, i) => id > (running[i - 1] ?? Number(begin) - 1));
  return Number(begin) > 0 &&
    Number(begin) <= snapshot.end &&
    isAscending &&
    (running.at(-1) ?? 0) < snapshot.end
    ? snapshot
    : null;
}

/** A position as one line of text: the snapshot, then the place after a slash. */
export function formatPosition({ snapshot, partial }: Position): string {
  const text = formatSnapshot(snapshot);
  return partial === null ? text : `${text}/${partial.transaction}.${partial.id}.${partial.keys}`;
}

/** Parses the text of `formatPosition`; null for any other text. */
export function parsePosition(text: string): Position | null {
  const [before = '', behind, ...more] = text.split('/');
  const snapshot = parseSnapshot(before);
  if (snapshot === null || more.length > 0) return null;
  if (behind === undefined) return positionOf(snapshot);
  const [, transaction, id, keys] = /^(\d{1,16})\.(\d{1,16})\.(\d{1,6})$/.exec(behind) ?? [];
  if (transaction === undefined) return null;
  const partial = { transaction: Number(transaction), id: Number(id), keys: Number(keys) };
  return isVisible(snapshot, partial.transaction) ? null : { snapshot, partial };
}

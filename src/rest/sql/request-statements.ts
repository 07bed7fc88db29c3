import type { Statement } from '../../db/statement.ts';

/** The statements of a plan, in order. They run in one round trip, under the request's settings. */
export interface RequestStatements {
  /** Returns one `ResultRow`; for a `plan` media type, the rows of EXPLAIN with one text column. */
  readonly main: Statement;
  /** EXPLAIN (format json) of the count, for `count=planned` and `count=estimated`; null: not requested. */
  readonly explainCount: Statement | null;
}

/** The only row of the main statement, with its columns in this order (`Statement.arrayMode`). */
export type ResultRow = readonly [
  /**
   * All matching rows, whatever the range: with `count=exact`, or up to the limit with `count=estimated`; otherwise
   * null.
   */
  totalCount: string | null,
  /** Rows of the page, or affected rows. */
  pageCount: string,
  /** The body, made by Postgres; null: none is wanted. Bytes for media types that are not text. */
  body: string | Buffer | null,
  /** `response.headers` and `response.status`, as functions may have set them. */
  responseHeaders: string | null,
  responseStatus: string | null,
  /** For an insert with `return=headers-only`: the primary key as `column=eq.value` for the Location header, or null. */
  location: readonly string[] | null,
  /** For upserts: the number of new rows; otherwise null. */
  insertedCount: string | null,
  /** Keyset pagination: the last row's cursor; null: none. */
  cursor: string | null,
];

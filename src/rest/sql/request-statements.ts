import type { Statement } from '../../db/statement.ts';

/** What a plan runs, in order, in one round trip, under the request's settings. */
export interface RequestStatements {
  /** Gives one `ResultRow`; for a `plan` media type the rows of EXPLAIN, one text column. */
  readonly main: Statement;
  /** EXPLAIN (format json) of the count, for `count=planned` and `count=estimated`; null: not asked for. */
  readonly explainCount: Statement | null;
}

/** The one row that the main statement gives, columns in this order (`Statement.arrayMode`). */
export type ResultRow = readonly [
  /** All rows that match, whatever the range: with `count=exact`, or up to the limit with `count=estimated`; else null. */
  totalCount: string | null,
  /** Rows of the page, or affected. */
  pageCount: string,
  /** The body, made by Postgres; null: none is asked for. Bytes for media types that are not text. */
  body: string | Buffer | null,
  /** `response.headers` and `response.status`, as functions may have set them. */
  responseHeaders: string | null,
  responseStatus: string | null,
  /** For `return=headers-only` of an insert: the primary key as `column=eq.value` for the Location header, or null. */
  location: readonly string[] | null,
  /** Upserts: rows that were new; null otherwise. */
  insertedCount: string | null,
  /** Keyset pagination: the last row's cursor; null: none. */
  cursor: string | null,
];

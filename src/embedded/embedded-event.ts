/**
 * Something that happened to the embedded database. Durations are in milliseconds; `code` is the SQLSTATE that
 * the client received.
 */
export type EmbeddedEvent =
  | { readonly kind: 'engine-started'; readonly durationMs: number; readonly created: boolean }
  /** The engine is back after it was ended (by a statement's timeout or a cancellation) or ended by itself. */
  | { readonly kind: 'engine-restarted'; readonly reason: string; readonly downMs: number }
  /** The engine does not come back: every client is refused from now on. */
  | { readonly kind: 'engine-failed'; readonly reason: string }
  | { readonly kind: 'client-refused'; readonly code: string; readonly message: string }
  /** A client was cut off, for instance because it idled in a transaction or lost its session with the engine. */
  | { readonly kind: 'client-ended'; readonly code: string; readonly message: string }
  /** The process that had the database open before this one ended without closing it. */
  | { readonly kind: 'holder-died'; readonly pid: number; readonly host: string };

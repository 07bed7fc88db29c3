/** What befalls the embedded database. Durations are in milliseconds, `code` is the SQLSTATE that the client was told. */
export type EmbeddedEvent =
  | { readonly kind: 'engine-started'; readonly durationMs: number; readonly created: boolean }
  /** The engine was ended (a statement's timeout, a cancellation) or ended by itself, and is back. */
  | { readonly kind: 'engine-restarted'; readonly reason: string; readonly downMs: number }
  /** It does not come back: every client is refused from now on. */
  | { readonly kind: 'engine-failed'; readonly reason: string }
  | { readonly kind: 'client-refused'; readonly code: string; readonly message: string }
  /** A client was cut off: idle in a transaction, its session lost with the engine, and the like. */
  | { readonly kind: 'client-ended'; readonly code: string; readonly message: string }
  /** The process that had the database open before ended without closing it. */
  | { readonly kind: 'holder-died'; readonly pid: number; readonly host: string };

/** A connection's event that no caller is waiting for, or that others than the caller need to hear of. */
export type ConnectionEvent =
  | { readonly kind: 'idle-connection-lost'; readonly error: Error }
  | { readonly kind: 'listener-lost'; readonly error: Error }
  /** The connection to the server does not support LISTEN. It is tried again now and then. */
  | { readonly kind: 'cannot-listen' }
  | { readonly kind: 'listener-restored'; readonly afterMs: number }
  /** A statement failed. The caller gets the error; this is for those who watch over the server. */
  | { readonly kind: 'statement-failed'; readonly error: unknown };

/** A connection's event that no caller is waiting for. */
export type ConnectionEvent =
  | { readonly kind: 'idle-connection-lost'; readonly error: Error }
  | { readonly kind: 'listener-lost'; readonly error: Error }
  /** The connection to the server does not support LISTEN. It is tried again now and then. */
  | { readonly kind: 'cannot-listen' }
  | { readonly kind: 'listener-restored'; readonly afterMs: number };

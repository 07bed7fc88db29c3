/** An event of a connection for which nobody waits at that moment. */
export type ConnectionEvent =
  | { readonly kind: 'idle-connection-lost'; readonly error: Error }
  | { readonly kind: 'listener-lost'; readonly error: Error }
  /** The way to the server is one on which LISTEN does not work; it is tried again now and then. */
  | { readonly kind: 'cannot-listen' }
  | { readonly kind: 'listener-restored'; readonly afterMs: number };

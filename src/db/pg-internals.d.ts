// The part of node-postgres that round-trip.ts uses and that its types do not describe.
declare module 'pg/lib/utils.js' {
  /** A JavaScript value as the wire wants it: text, bytes, or null. Objects become JSON, arrays Postgres arrays. */
  export function prepareValue(value: unknown): string | Buffer | null;
}

// The part of node-postgres that round-trip.ts uses and that its types do not describe.
declare module 'pg/lib/utils.js' {
  /**
   * Converts a JavaScript value to the form that the wire needs: text, bytes, or null. Objects become JSON,
   * arrays become Postgres arrays.
   */
  export function prepareValue(value: unknown): string | Buffer | null;
}

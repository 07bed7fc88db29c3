/** An answer. Headers in order, as they go out; a name may occur more than once. */
export interface RestResponse {
  readonly status: number;
  /** The status line's text, where a function chose one; else the usual one of the status. */
  readonly reason?: string | undefined;
  readonly headers: readonly Header[];
  /** Text goes out as UTF-8. Null: no body (HEAD, 204). */
  readonly body: string | Buffer | null;
}

/** A value may hold any character: the handler sends it as UTF-8. */
export type Header = readonly [name: string, value: string];

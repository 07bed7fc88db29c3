/** An answer. Headers are sent in this order; a name may occur more than once. */
export interface RestResponse {
  readonly status: number;
  /** The text of the status line, if a function chose one; otherwise it is the usual text of the status. */
  readonly reason?: string | undefined;
  readonly headers: readonly Header[];
  /** Text is sent as UTF-8. Null: no body (HEAD, 204). */
  readonly body: string | Buffer | null;
}

/** A value may hold any character: the handler sends it as UTF-8. */
export type Header = readonly [name: string, value: string];

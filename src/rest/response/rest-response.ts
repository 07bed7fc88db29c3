/** An answer. Headers in order, as they go out; a name may occur more than once. */
export interface RestResponse {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Text goes out as UTF-8. Null: no body (HEAD, 204). */
  readonly body: string | Buffer | null;
}

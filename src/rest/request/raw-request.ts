/** A request as HTTP brings it, with the mount point cut off its path. */
export interface RawRequest {
  /** Upper case. */
  readonly method: string;
  /** Still percent-encoded: `/` or `/films` or `/rpc/add`. */
  readonly path: string;
  /** Without the question mark, still percent-encoded. */
  readonly query: string;
  /** Names in lower case. Several headers of one name joined with `, ` (cookies with `; `). */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

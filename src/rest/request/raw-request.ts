/** A request as HTTP delivers it, without the mount point in its path. */
export interface RawRequest {
  /** Upper case. */
  readonly method: string;
  /** Still percent-encoded: `/`, `/films` or `/rpc/add`. */
  readonly path: string;
  /** Still percent-encoded, without the question mark. */
  readonly query: string;
  /** Names in lower case. Several headers of one name are joined with `, ` (cookies with `; `). */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

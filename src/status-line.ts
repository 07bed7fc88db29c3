/**
 * One thing that was checked. `mend` is a command or setting that fixes it, present exactly when it is not
 * `ok`.
 */
export interface StatusLine {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
  readonly mend?: string;
}

/** Leaves `mend` out of a line that is ok. */
export function line(name: string, ok: boolean, found: string, mend?: string): StatusLine {
  return ok || mend === undefined ? { name, ok, found } : { name, ok, found, mend };
}

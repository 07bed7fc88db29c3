/** One thing that was looked at. `mend` is a command or setting, present exactly when it is not `ok`. */
export interface StatusLine {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
  readonly mend?: string;
}

/** `mend` is left out of a line that is fine. */
export function line(name: string, ok: boolean, found: string, mend?: string): StatusLine {
  return ok || mend === undefined ? { name, ok, found } : { name, ok, found, mend };
}

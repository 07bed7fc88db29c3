import type { Environment } from '../environment.ts';
import type { Log } from '../log.ts';
import type { OnProgress } from '../on-progress.ts';

/** What the process gives to a command. */
export interface CommandContext {
  readonly environment: Environment;
  readonly log: Log;
  /** Writes a line to stdout. */
  readonly print: (line: string) => void;
  /** Shows how far something long is: a fraction of 1, or null where that is not known, and what it is at. */
  readonly showProgress: OnProgress;
  /** Sets the exit status of a command that does not throw; without a call it is 0. */
  readonly setExitStatus: (status: number) => void;
}

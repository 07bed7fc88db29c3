import type { Environment } from '../environment.ts';
import type { Log, LogChoice } from '../log.ts';
import type { OnProgress } from '../on-progress.ts';

/** The process's services for a command. */
export interface CommandContext {
  readonly environment: Environment;
  readonly log: Log;
  /** The same log as a process that runs on wants it. The choice is asked for each entry. */
  readonly logAs: (choice: () => LogChoice) => Log;
  /** Writes a line to stdout. */
  readonly print: (line: string) => void;
  /** Whether stdout is a terminal, so that a person reads it and nothing keeps it. */
  readonly outputIsTerminal: boolean;
  /** Whether stdout is a file that others than its owner may read. */
  readonly outputIsExposed: () => boolean;
  /** Asks at the terminal and returns what was typed; null: there is no terminal to ask at. */
  readonly ask: ((question: string) => Promise<string>) | null;
  /** Shows the progress of long work: a fraction of 1 (null: unknown), and the current step. */
  readonly showProgress: OnProgress;
  /** Sets the exit status of a command that does not throw. Without a call it is 0. */
  readonly setExitStatus: (status: number) => void;
}

import type { Log } from '../log.ts';
import { adviceOn, troubleOf } from './server-trouble.ts';

/** A trouble that a process met, and when it last did. */
export interface MetTrouble {
  readonly code: string;
  readonly message: string;
  readonly lastAt: Date;
}

/** How often the log hears of the same trouble: a full disk fails every write. */
const sayEveryMs = 60_000;
/** Troubles of another kind are remembered; there are some thirty codes. */
const mostCodes = 100;

interface Met {
  message: string;
  lastAt: Date;
  /** The clock of `performance.now`, when the log was last told. */
  saidAt: number;
  /** Since then. */
  unsaid: number;
}

/**
 * The troubles of the server that the databases of one process met. Each is an error in the log: at once, and then once a
 * minute with the number of times. The worker makes alerts of them.
 */
export class ServerTroubles {
  readonly #met = new Map<string, Met>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Takes note of an error of a statement, if it tells of the server. Never throws. */
  note(error: unknown): void {
    const trouble = troubleOf(error);
    if (trouble === null) return;
    const { code, message } = trouble;
    const now = performance.now();
    const met = this.#met.get(code);
    if (met && now - met.saidAt < sayEveryMs) {
      Object.assign(met, { message, lastAt: new Date(), unsaid: met.unsaid + 1 });
      return;
    }
    const times = (met?.unsaid ?? 0) + 1;
    if (!met && this.#met.size >= mostCodes) return;
    this.#met.set(code, { message, lastAt: new Date(), saidAt: now, unsaid: 0 });
    this.#log({
      level: 'error',
      event: 'server-trouble',
      message: `the database reports ${code}: ${message}${times > 1 ? ` (${times} times in the last minutes)` : ''}; ${adviceOn(code)}`,
      code,
    });
  }

  /** The troubles that were met since that moment. */
  since(moment: Date): readonly MetTrouble[] {
    return [...this.#met]
      .filter(([, { lastAt }]) => lastAt >= moment)
      .map(([code, { message, lastAt }]) => ({ code, message, lastAt }));
  }
}

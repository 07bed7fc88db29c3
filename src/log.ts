/** Something that an operator may want to know. `event` is stable and greppable; the rest is its detail. */
export interface LogEntry {
  readonly level: 'info' | 'warning' | 'error';
  readonly event: string;
  readonly message: string;
  /** What an answer named, so that its entry can be found. */
  readonly requestId?: string | null | undefined;
  /** Of a bug. */
  readonly stack?: string | undefined;
  readonly [detail: string]: unknown;
}

/** Takes what happens. Passed down, never imported as a value. */
export type Log = (entry: LogEntry) => void;

/**
 * Writes entries to a stream (the process's stderr): one JSON object a line for collectors. A terminal gets a sentence for people,
 * with the id of the request that failed and the stack of a bug. Never a secret: what is logged is chosen where it is logged.
 */
export function makeLog(stream: NodeJS.WritableStream & { isTTY?: boolean }, now: () => Date): Log {
  return ({ level, event, message, ...details }) => {
    if (stream.isTTY) {
      const { requestId, stack } = details;
      const about = level === 'error' && typeof requestId === 'string' ? ` (request ${requestId})` : '';
      stream.write(
        `${level === 'info' ? '' : `${level}: `}${message}${about}\n${stack === undefined ? '' : `${stack}\n`}`,
      );
      return;
    }
    stream.write(`${JSON.stringify({ time: now().toISOString(), level, event, message, ...details })}\n`);
  };
}

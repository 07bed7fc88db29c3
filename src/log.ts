/**
 * An event that an operator may want to know of. `event` is stable and greppable; the other members are
 * details.
 */
export interface LogEntry {
  readonly level: 'info' | 'warning' | 'error';
  readonly event: string;
  readonly message: string;
  /** The id that an answer named, so that its entry can be found. */
  readonly requestId?: string | null | undefined;
  /** The stack of a bug. */
  readonly stack?: string | undefined;
  readonly [detail: string]: unknown;
}

/** Receives log entries. It is passed down, never imported as a value. */
export type Log = (entry: LogEntry) => void;

/**
 * Writes entries to a stream (the process's stderr): one JSON object a line for collectors. A terminal gets a
 * sentence for people, with the id of the request that failed and the stack of a bug. Never writes a secret:
 * the code that logs chooses what to log.
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

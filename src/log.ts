/** Something that an operator may want to know. `event` is stable and greppable; the rest is its detail. */
export interface LogEntry {
  readonly level: 'info' | 'warning' | 'error';
  readonly event: string;
  readonly message: string;
  readonly [detail: string]: unknown;
}

/** Takes what happens. Passed down, never imported as a value. */
export type Log = (entry: LogEntry) => void;

/**
 * Writes entries to a stream (the process's stderr): one JSON object a line for collectors, one sentence for people when
 * the stream is a terminal. Never a secret: what is logged is chosen where it is logged.
 */
export function makeLog(stream: NodeJS.WritableStream & { isTTY?: boolean }, now: () => Date): Log {
  return ({ level, event, message, ...details }) => {
    if (stream.isTTY) {
      stream.write(`${level === 'info' ? '' : `${level}: `}${message}\n`);
      return;
    }
    stream.write(`${JSON.stringify({ time: now().toISOString(), level, event, message, ...details })}\n`);
  };
}

/**
 * An event that an operator may want to know of. `event` is stable and greppable; the other members are
 * details.
 */
export interface LogEntry {
  readonly level: LogLevel;
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

/** The levels, the most talkative first. An entry is written where its level is the chosen one or a later one. */
export const logLevels = ['debug', 'info', 'warning', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

/** The forms of an entry; `auto` is `text` for a terminal, otherwise `json`. */
export const logFormats = ['auto', 'json', 'text'] as const;

/** The choice of entries that a log writes, and of their form. */
export interface LogChoice {
  readonly level: LogLevel;
  readonly format: (typeof logFormats)[number];
}

/** The choice of commands that end by themselves. */
export const usualLog: LogChoice = { level: 'info', format: 'auto' };

/**
 * Writes entries to a stream (the process's stderr): as `json`, one JSON object a line for collectors; as `text`, a
 * sentence for people, with the id of the request that failed and the stack of a bug. Never writes a secret:
 * the code that logs chooses what to log.
 *
 * @param choice asked for each entry, so that it can change while the process runs
 */
export function makeLog(
  stream: NodeJS.WritableStream & { isTTY?: boolean },
  now: () => Date,
  choice: () => LogChoice = () => usualLog,
): Log {
  return ({ level, event, message, ...details }) => {
    const chosen = choice();
    if (logLevels.indexOf(level) < logLevels.indexOf(chosen.level)) return;
    const isText = chosen.format === 'auto' ? stream.isTTY : chosen.format === 'text';
    if (isText) {
      const { requestId, stack } = details;
      const about = level === 'error' && typeof requestId === 'string' ? ` (request ${requestId})` : '';
      const prefix = level === 'warning' || level === 'error' ? `${level}: ` : '';
      stream.write(`${prefix}${message}${about}\n${stack === undefined ? '' : `${stack}\n`}`);
      return;
    }
    stream.write(`${JSON.stringify({ time: now().toISOString(), level, event, message, ...details })}\n`);
  };
}

import type { Log } from '../log.ts';
import { OperationalError } from '../operational-error.ts';
import { exitStatus } from './exit-status.ts';

/**
 * npm and `bin/lightning` pass on a signal that the terminal sends to all of them, so one Ctrl-C arrives more
 * than once within this time.
 */
const sameSignalMs = 500;

/** Resolves with the first signal that asks the process to end. A later signal ends the process at once. */
export function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let askedAt: number | null = null;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (askedAt !== null && performance.now() - askedAt > sameSignalMs) process.exit(exitStatus.failed);
        askedAt ??= performance.now();
        resolve(signal);
      });
    }
  });
}

/**
 * Aborted with an OperationalError by the first signal that asks the process to end: work under way ends as if
 * it had failed.
 */
export function untilAborted(): AbortSignal {
  return abortedBy(untilSignal());
}

/** Aborted with an OperationalError once a signal comes. */
export function abortedBy(asked: Promise<NodeJS.Signals>): AbortSignal {
  const controller = new AbortController();
  void asked.then((signal) => controller.abort(new OperationalError(`ended by ${signal}`)));
  return controller.signal;
}

/** Logs that the process was told to end. */
export function logSignal(log: Log, signal: NodeJS.Signals): void {
  log({ level: 'info', event: 'stopping', message: `${signal}: ending what is running`, signal });
}

/** Logs that the process has ended, and which parts had not. */
export function logStop(log: Log, unfinished: readonly string[]): void {
  if (unfinished.length === 0) log({ level: 'info', event: 'stopped', message: 'stopped' });
  else log({ level: 'error', event: 'stopped-unfinished', message: `stopped; ${unfinished.join('; ')}` });
}

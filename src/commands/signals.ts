import type { Log } from '../log.ts';
import { OperationalError } from '../operational-error.ts';
import { exitStatus } from './exit-status.ts';

/** One Ctrl-C arrives more than once where npm or `bin/lightning` passes on what the terminal sends to all of them. */
const sameSignalMs = 500;

/** Resolves with the first signal that asks the process to end. A later one ends it at once. */
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

/** Aborted by the first signal that asks the process to end, with an OperationalError: what is under way ends as if it had failed. */
export function untilAborted(): AbortSignal {
  const asked = new AbortController();
  void untilSignal().then((signal) => asked.abort(new OperationalError(`ended by ${signal}`)));
  return asked.signal;
}

/** Logs that the process ends because it was told to. */
export function logSignal(log: Log, signal: NodeJS.Signals): void {
  log({ level: 'info', event: 'stopping', message: `${signal}: ending what is running`, signal });
}

/** Logs that it has ended, and what had not by then. */
export function logStop(log: Log, unfinished: readonly string[]): void {
  if (unfinished.length === 0) log({ level: 'info', event: 'stopped', message: 'stopped' });
  else log({ level: 'error', event: 'stopped-unfinished', message: `stopped; ${unfinished.join('; ')}` });
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../log.ts';
import { stackOfBug } from '../operational-error.ts';

/** One run of graphile-worker. */
export interface Run {
  /** Settles when the run takes no more jobs, by itself or by `stop`; running jobs continue. May reject. */
  readonly ended: Promise<void>;
  /** Lets the running jobs end, then stops. */
  stop(): Promise<void>;
}

const firstPauseMs = 1_000;
const longestPauseMs = 30_000;

/**
 * Keeps graphile-worker running, which ends by itself when connections are lost at the wrong moment. A new run
 * is begun with pauses that grow while beginning fails, and without waiting for the jobs of the earlier run.
 * Rejects when the first run cannot be begun.
 */
export async function keepRunner(
  begin: () => Promise<Run>,
  log: Log,
): Promise<{
  /** Lets the running jobs end, then stops. */
  stop(): Promise<void>;
}> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const report = (what: string, error: unknown): void => {
    const why = error instanceof Error ? error.message : String(error);
    log({ level: 'error', event: 'worker-ended', message: `${what}: ${why}`, stack: stackOfBug(error) });
  };
  const pause = (ms: number): Promise<void> => sleep(ms, undefined, { signal }).catch(() => {});
  const beginAgain = async (): Promise<Run | null> => {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      await pause(pauseMs);
      if (signal.aborted) return null;
      try {
        const begun = await begin();
        if (!signal.aborted) return begun;
        // The worker was told to stop in the meantime.
        await begun.stop();
        return null;
      } catch (error) {
        report('the worker cannot be restarted', error);
      }
    }
  };
  let run: Run | null = await begin();
  // Runs that take no more jobs and have not stopped yet.
  const leaving = new Set<Promise<void>>();
  const leave = (left: Run): void => {
    const gone = left
      .stop()
      .catch((error: unknown) => report('the worker that ended did not stop cleanly', error))
      .finally(() => leaving.delete(gone));
    leaving.add(gone);
  };
  const keeping = (async () => {
    while (run !== null) {
      const ended = await run.ended.then(
        () => null,
        (error: unknown) => error,
      );
      if (signal.aborted) return;
      report('the worker ended by itself and is being restarted', ended ?? 'it gave no reason');
      leave(run);
      run = null;
      run = await beginAgain();
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all([run?.stop(), ...leaving]);
      await keeping;
    },
  };
}

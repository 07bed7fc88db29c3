import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../log.ts';
import { stackOfBug } from '../operational-error.ts';

/** One run of graphile-worker. */
export interface Run {
  /** Settles when it takes no more jobs, by itself or by `stop`; those under way go on. May reject. */
  readonly ended: Promise<void>;
  /** Lets the running jobs end, then stops. */
  stop(): Promise<void>;
}

const firstPauseMs = 1_000;
const longestPauseMs = 30_000;

/**
 * Keeps graphile-worker running: it ends by itself when connections are lost at the wrong moment. Begins it again, with pauses
 * that grow while it cannot be begun, and without waiting for the jobs that the run before is still at.
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
        // It was told to stop meanwhile.
        await begun.stop();
        return null;
      } catch (error) {
        report('the worker cannot be started again', error);
      }
    }
  };
  let run: Run | null = await begin();
  // Runs that take no more jobs and have not stopped yet.
  const leaving = new Set<Promise<void>>();
  const leave = (left: Run): void => {
    const gone = left
      .stop()
      .catch((error: unknown) => report('the worker that ended did not stop in order', error))
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
      report('the worker ended by itself, and is started again', ended ?? 'it does not say why');
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

import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../log.ts';

/** One run of graphile-worker. */
export interface Run {
  /** Settles when it ends, by itself or by `stop`. May reject. */
  readonly ended: Promise<void>;
  /** Lets the running jobs end, then stops. */
  stop(): Promise<void>;
}

const firstPauseMs = 1_000;
const longestPauseMs = 30_000;

/**
 * Keeps graphile-worker running: it ends by itself, with a rejection, when the connections that it needs to look for jobs are
 * lost too often, and would take the process with it. Begins it again, with pauses that grow while it cannot be begun.
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
    log({ level: 'error', event: 'worker-ended', message: `${what}: ${why}` });
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
  const keeping = (async () => {
    while (run !== null) {
      const ended = await run.ended.then(
        () => null,
        (error: unknown) => error,
      );
      if (signal.aborted) return;
      report('the worker ended by itself, and is started again', ended ?? 'it does not say why');
      await run.stop().catch(() => {});
      run = await beginAgain();
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await run?.stop();
      await keeping;
    },
  };
}

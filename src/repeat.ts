/** Work that runs again and again. */
export interface Repeating {
  /** Begins no further run. Resolves when the current run has ended. */
  stop(): Promise<void>;
}

/**
 * Runs `work` at once and then again and again, `pauseMs` after the previous run has ended, so never twice at a
 * time. When a run rejects, `onError` gets the error, and the next run comes as usual. For work that a crontab,
 * which counts minutes, would do too rarely.
 */
export function repeat(
  work: () => Promise<void>,
  pauseMs: number,
  onError: (error: unknown) => void,
): Repeating {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void>;
  const run = async (): Promise<void> => {
    await work().catch(onError);
    if (stopped) return;
    timer = setTimeout(() => {
      running = run();
    }, pauseMs);
  };
  running = run();
  return {
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}

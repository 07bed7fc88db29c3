/** Work that runs again and again. */
export interface Repeating {
  /** Begins no further run; resolves when the one under way has ended. */
  stop(): Promise<void>;
}

/**
 * Runs `work` at once and then again, `pauseMs` after the run before has ended, so never twice at a time. A run that
 * rejects goes to `onError`, and the next one comes as ever. For what a crontab, which counts minutes, is too slow for.
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

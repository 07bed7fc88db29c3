/** Tells the database something that no request waits for. */
export interface Telling {
  /** There is something to tell: it is told within the time that things are gathered for. */
  due(): void;
  /** Tells what is due, if the database answers. After it nothing is told. */
  close(): Promise<void>;
}

/**
 * Calls `tell` a while after something became due, one call at a time, so that one statement tells of many. `tell` takes what
 * there is; what it rejects with is lost, and `onError` is called for the first in a row of failures.
 */
export function tellLater(
  gatheredMs: number,
  tell: () => Promise<void>,
  onError: (error: unknown) => void,
): Telling {
  let timer: NodeJS.Timeout | undefined;
  let telling = Promise.resolve();
  let failing = false;
  let closed = false;

  const attempt = async (): Promise<void> => {
    timer = undefined;
    try {
      await tell();
      failing = false;
    } catch (error) {
      if (!failing) onError(error);
      failing = true;
    }
  };
  return {
    due: () => {
      if (closed) return;
      timer ??= setTimeout(() => {
        telling = telling.then(attempt);
      }, gatheredMs).unref();
    },
    close: async () => {
      closed = true;
      clearTimeout(timer);
      telling = telling.then(attempt);
      await telling;
    },
  };
}

import type { ExecutionResult } from 'postgraphile/graphql';

/**
 * One result in the form of many: graphql-ws ends an iterator when its client sends `complete` for the operation or
 * disconnects, and a promise it only forgets. `run` begins with the first `next`, and its signal aborts at that end.
 */
export function untilCompleted(
  run: (left: AbortSignal) => Promise<ExecutionResult> | ExecutionResult,
): AsyncIterableIterator<ExecutionResult, undefined> {
  const controller = new AbortController();
  let begun = false;
  return {
    next: async () => {
      if (begun || controller.signal.aborted) return { done: true, value: undefined };
      begun = true;
      const value = await run(controller.signal);
      // The client no longer knows the operation's id.
      return controller.signal.aborted ? { done: true, value: undefined } : { done: false, value };
    },
    return: async () => {
      controller.abort();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

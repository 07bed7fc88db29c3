import type { ExecutionResult } from 'postgraphile/graphql';
import type { SchemaSnapshot } from './schema-snapshot.ts';

/**
 * Most former schemas that subscriptions may keep in memory. One takes 20 MB. With more, the subscriptions of the oldest
 * end.
 */
const mostHeld = 4;

type Results = AsyncIterableIterator<ExecutionResult>;

/** The former schemas that open subscriptions still run on. A subscription keeps the one that it began with. */
export class HeldSnapshots {
  /** In the order of the snapshots, because each is held first while it is the newest. */
  readonly #ends = new Map<SchemaSnapshot, Set<() => void>>();
  readonly #last: () => ExecutionResult;

  /** @param last makes the result that a subscription ends with when its schema is given up */
  constructor(last: () => ExecutionResult) {
    this.#last = last;
  }

  /** The results of a subscription, which holds the snapshot until they end. */
  hold(snapshot: SchemaSnapshot, results: AsyncIterable<ExecutionResult>): Results {
    const ends = this.#ends.get(snapshot) ?? new Set();
    this.#ends.set(snapshot, ends);
    const release = (): void => {
      ends.delete(end);
      if (ends.size === 0 && this.#ends.get(snapshot) === ends) this.#ends.delete(snapshot);
    };
    const { held, end } = endable(results, this.#last, release);
    ends.add(end);
    return held;
  }

  /** Ends the subscriptions of the oldest snapshots, as many as there are too many beside the current one. */
  giveUpOldest(current: SchemaSnapshot): void {
    const former = [...this.#ends].filter(([snapshot]) => snapshot !== current);
    for (const [, ends] of former.slice(0, Math.max(0, former.length - mostHeld))) {
      for (const end of ends) end();
    }
  }
}

/** Results that `end` cuts short, with a last result. `onOver` is called once, however they end. */
function endable(
  results: AsyncIterable<ExecutionResult>,
  last: () => ExecutionResult,
  onOver: () => void,
): { readonly held: Results; readonly end: () => void } {
  const source = results[Symbol.asyncIterator]();
  const done = { done: true, value: undefined } as const;
  let over = false;
  /** The last result, until somebody takes it. */
  let parting: ExecutionResult | null = null;
  let interrupt: (() => void) | null = null;
  const finish = (): void => {
    if (over) return;
    over = true;
    onOver();
  };
  const taken = (): IteratorResult<ExecutionResult> => {
    const value = parting;
    parting = null;
    return value === null ? done : { done: false, value };
  };
  const stop = async (): Promise<IteratorResult<ExecutionResult>> => {
    finish();
    interrupt?.();
    await source.return?.();
    return done;
  };
  return {
    held: {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: () =>
        over
          ? Promise.resolve(taken())
          : new Promise((resolve, reject) => {
              // A race with a promise that lives as long as the subscription would keep every event.
              interrupt = () => resolve(taken());
              source.next().then(
                (result) => {
                  if (result.done) finish();
                  resolve(result);
                },
                (error: unknown) => {
                  finish();
                  reject(error as Error);
                },
              );
            }),
      return: stop,
      throw: async (error: unknown) => {
        await stop();
        throw error;
      },
    },
    end: () => {
      if (over) return;
      parting = last();
      finish();
      interrupt?.();
      // The source may wait for an event, and what it says at its end is of no interest.
      void source.return?.()?.catch(() => {});
    },
  };
}

/** A change of a row. `RESYNC`: too many changes to tell one by one, or it is unknown which changes were missed. */
export interface ChangeEvent {
  readonly operation: 'INSERT' | 'UPDATE' | 'DELETE' | 'RESYNC';
  /** Null for RESYNC. */
  readonly key: string | null;
}

/** The most events that wait for one subscriber while its rows are still being read. More become a single RESYNC. */
const maxWaiting = 1000;

const resync: ChangeEvent = { operation: 'RESYNC', key: null };

/** The events that a subscription has not consumed yet, in order. */
export class ChangeQueue implements AsyncIterableIterator<ChangeEvent> {
  readonly #takers: Taker[] = [];
  #events: ChangeEvent[] = [];
  #error: Error | null = null;
  #ended = false;
  /** Called once, when the subscription ends. */
  onEnd: () => void = () => {};

  push(event: ChangeEvent): void {
    if (this.#ended) return;
    const taker = this.#takers.shift();
    if (taker) taker.resolve({ done: false, value: event });
    else if (this.#events.length < maxWaiting) this.#events.push(event);
    else this.resync();
  }

  /** Replaces the waiting events with a RESYNC: a subscriber that queries again now needs none of them. */
  resync(): void {
    this.#events = [];
    this.push(resync);
  }

  /** Ends with an error, after the waiting events. */
  fail(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    const taker = this.#takers.shift();
    if (taker) taker.reject(error);
    else this.#error = error;
    this.#end();
  }

  next(): Promise<IteratorResult<ChangeEvent>> {
    const event = this.#events.shift();
    if (event) return Promise.resolve({ done: false, value: event });
    if (this.#error) {
      const error = this.#error;
      this.#error = null;
      return Promise.reject(error);
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#takers.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<ChangeEvent>> {
    this.#ended = true;
    this.#events = [];
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #end(): void {
    for (const taker of this.#takers.splice(0)) taker.resolve({ done: true, value: undefined });
    const { onEnd } = this;
    this.onEnd = () => {};
    onEnd();
  }
}

interface Taker {
  readonly resolve: (result: IteratorResult<ChangeEvent>) => void;
  readonly reject: (error: Error) => void;
}

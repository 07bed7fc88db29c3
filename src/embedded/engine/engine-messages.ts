import type { Findings } from './backend-scanner.ts';
import { monotonicMs } from './monotonic.ts';

// What the main thread and the engine's thread tell each other. Batches go over in groups: a hop between threads costs
// 70 microseconds here, running a prepared `select 1` costs 6, so twenty waiting clients share one hop.

/** What the engine is started with. `directory` null: in memory. `template`: a tar of a data directory, for a new one. */
export interface EngineStart {
  readonly directory: string | null;
  readonly template: Uint8Array | null;
  readonly control: SharedArrayBuffer;
}

/**
 * A piece of a group. `kind`:
 * `client`: output goes back; the group goes on only if the session is idle and as it was afterwards.
 * `switch`: output is dropped; the group ends if there is an error.
 * `chore`: output and errors are dropped.
 */
export interface GroupItem {
  readonly kind: 'client' | 'switch' | 'chore';
  readonly length: number;
}

export type ToEngine =
  | { readonly kind: 'run'; readonly items: readonly GroupItem[]; readonly bytes: Uint8Array }
  /** More of the data that COPY FROM STDIN waits for. */
  | { readonly kind: 'feed'; readonly bytes: Uint8Array }
  | { readonly kind: 'dump' }
  | { readonly kind: 'close' };

/** How one item of a group ended. `last`: the items after it did not run and will not. */
export interface ItemResult extends Findings {
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

export type FromEngine =
  | {
      readonly kind: 'ready';
      readonly parameters: readonly (readonly [string, string])[];
      readonly created: boolean;
    }
  /** Part of an item's output, ahead of its result. */
  | { readonly kind: 'output'; readonly index: number; readonly bytes: Uint8Array; readonly copying: boolean }
  | ({ readonly kind: 'result' } & ItemResult)
  /** That many bytes of `feed` have been read, or were not wanted any more. */
  | { readonly kind: 'consumed'; readonly bytes: number }
  | { readonly kind: 'dumped'; readonly tar: Uint8Array }
  /** The engine cannot go on: a bug of WebAssembly's kind, or a FATAL error. */
  | { readonly kind: 'crashed'; readonly reason: string }
  | { readonly kind: 'closed' };

/** What both threads see at any time, whatever they are busy with: words of shared memory. */
export class Control {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #times: Float64Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(32)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, 4);
    this.#times = new Float64Array(memory, 16, 1);
  }

  /** The item that runs; -1: the group was stopped after it by `revoke`. */
  get position(): number {
    return Atomics.load(this.#words, positionWord);
  }

  /** When that item began, as `monotonicMs`. */
  get startedAt(): number {
    return this.#times[0] ?? 0;
  }

  /** Main, before it sends a group: its first item is what runs. */
  begin(): void {
    this.#times[0] = monotonicMs();
    Atomics.store(this.#words, positionWord, 0);
  }

  /** Engine: goes on to the next item. False: it was revoked. */
  advance(from: number): boolean {
    this.#times[0] = monotonicMs();
    return Atomics.compareExchange(this.#words, positionWord, from, from + 1) === from;
  }

  /** Main: takes back all items after `position`. False: the engine has gone on meanwhile. */
  revoke(position: number): boolean {
    return Atomics.compareExchange(this.#words, positionWord, position, -1) === position;
  }

  /** What the engine waits for. */
  get waiting(): 'nothing' | 'input' | 'output' {
    const state = Atomics.load(this.#words, waitingWord);
    return state === 1 ? 'input' : state === 2 ? 'output' : 'nothing';
  }

  /** Engine: calls `poll` until it returns something; in between sleeps until `wake`. */
  waitForInput<T>(poll: () => T | undefined): T {
    Atomics.store(this.#words, waitingWord, 1);
    try {
      for (;;) {
        const seen = Atomics.load(this.#words, signalWord);
        const found = poll();
        if (found !== undefined) return found;
        Atomics.wait(this.#words, signalWord, seen);
      }
    } finally {
      Atomics.store(this.#words, waitingWord, 0);
    }
  }

  /** Main: there is input. */
  wake(): void {
    Atomics.add(this.#words, signalWord, 1);
    Atomics.notify(this.#words, signalWord);
  }

  /** Engine: that many bytes are on their way to a client; sleeps while there are too many. */
  sent(bytes: number): void {
    let unread = Atomics.add(this.#words, unreadWord, bytes) + bytes;
    if (unread <= largestUnread) return;
    Atomics.store(this.#words, waitingWord, 2);
    for (; unread > largestUnread; unread = Atomics.load(this.#words, unreadWord)) {
      Atomics.wait(this.#words, unreadWord, unread);
    }
    Atomics.store(this.#words, waitingWord, 0);
  }

  /** Main: the client has taken them, or is gone. */
  read(bytes: number): void {
    Atomics.sub(this.#words, unreadWord, bytes);
    Atomics.notify(this.#words, unreadWord);
  }
}

const positionWord = 0;
const signalWord = 1;
const unreadWord = 2;
const waitingWord = 3;

/** Output that a client has not read yet, before the engine waits for it: bounds the memory of a huge result. */
const largestUnread = 16 * 1024 * 1024;

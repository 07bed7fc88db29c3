import type { Findings } from './backend-scanner.ts';
import { monotonicMs } from './monotonic.ts';

// The messages between the main thread and the engine's thread. Batches travel in groups: a hop between threads
// costs 70 microseconds here, and running a prepared `select 1` costs 6, so twenty waiting clients share one
// hop.

/**
 * The engine's start parameters. `directory` null: in memory. `template`: a tar of a data directory, for a new
 * database.
 */
export interface EngineStart {
  readonly directory: string | null;
  readonly template: Uint8Array | null;
  readonly control: SharedArrayBuffer;
}

/**
 * A piece of a group. `kind`:
 * `client`: its output goes back; the group goes on only if the session is then idle and its reported settings
 * are unchanged.
 * `switch`: its output is dropped; an error ends the group.
 * `chore`: its output and errors are dropped.
 */
export interface GroupItem {
  readonly kind: 'client' | 'switch' | 'chore';
  readonly length: number;
}

export type ToEngine =
  | { readonly kind: 'run'; readonly items: readonly GroupItem[]; readonly bytes: Uint8Array }
  /** More data for a COPY FROM STDIN that waits. */
  | { readonly kind: 'feed'; readonly bytes: Uint8Array }
  | { readonly kind: 'dump' }
  | { readonly kind: 'close' };

/** The result of one item of a group. `last`: the items after it did not run and will not. */
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
  /** A part of an item's output, sent before its result. */
  | { readonly kind: 'output'; readonly index: number; readonly bytes: Uint8Array; readonly copying: boolean }
  | ({ readonly kind: 'result' } & ItemResult)
  /** That many bytes of `feed` have been read, or were no longer wanted. */
  | { readonly kind: 'consumed'; readonly bytes: number }
  | { readonly kind: 'dumped'; readonly tar: Uint8Array }
  /** The engine cannot go on, because of a WebAssembly trap or a FATAL error. */
  | { readonly kind: 'crashed'; readonly reason: string }
  | { readonly kind: 'closed' };

/** Words of shared memory that both threads see at any time, whatever they are busy with. */
export class Control {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #times: Float64Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(32)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, 4);
    this.#times = new Float64Array(memory, 16, 1);
  }

  /** The running item; -1: `revoke` has stopped the group after it. */
  get position(): number {
    return Atomics.load(this.#words, positionWord);
  }

  /** The moment, as `monotonicMs`, when that item began. */
  get startedAt(): number {
    return this.#times[0] ?? 0;
  }

  /** Called by the main thread before it sends a group: the first item counts as running. */
  begin(): void {
    this.#times[0] = monotonicMs();
    Atomics.store(this.#words, positionWord, 0);
  }

  /** Called by the engine: goes on to the next item. False: that item was revoked. */
  advance(from: number): boolean {
    this.#times[0] = monotonicMs();
    return Atomics.compareExchange(this.#words, positionWord, from, from + 1) === from;
  }

  /** Called by the main thread: takes back all items after `position`. False: the engine has already gone on. */
  revoke(position: number): boolean {
    return Atomics.compareExchange(this.#words, positionWord, position, -1) === position;
  }

  /** The kind of transfer that the engine waits for. */
  get waiting(): 'nothing' | 'input' | 'output' {
    const state = Atomics.load(this.#words, waitingWord);
    return state === 1 ? 'input' : state === 2 ? 'output' : 'nothing';
  }

  /** Called by the engine: calls `poll` until it returns something, and sleeps until `wake` in between. */
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

  /** Called by the main thread: there is input. */
  wake(): void {
    Atomics.add(this.#words, signalWord, 1);
    Atomics.notify(this.#words, signalWord);
  }

  /** Called by the engine: that many bytes are on their way to a client. Sleeps while there are too many. */
  sent(bytes: number): void {
    let unread = Atomics.add(this.#words, unreadWord, bytes) + bytes;
    if (unread <= largestUnread) return;
    Atomics.store(this.#words, waitingWord, 2);
    for (; unread > largestUnread; unread = Atomics.load(this.#words, unreadWord)) {
      Atomics.wait(this.#words, unreadWord, unread);
    }
    Atomics.store(this.#words, waitingWord, 0);
  }

  /** Called by the main thread: the client has taken those bytes, or has gone. */
  read(bytes: number): void {
    Atomics.sub(this.#words, unreadWord, bytes);
    Atomics.notify(this.#words, unreadWord);
  }
}

const positionWord = 0;
const signalWord = 1;
const unreadWord = 2;
const waitingWord = 3;

/** Unread output at which the engine waits for the client. Bounds the memory that a huge result takes. */
const largestUnread = 16 * 1024 * 1024;

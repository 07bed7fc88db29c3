import { Worker } from 'node:worker_threads';
import { OperationalError } from '../../operational-error.ts';
import { isWithin } from '../../within.ts';
import { Control } from './engine-messages.ts';
import type { EngineStart, FromEngine, GroupItem, ItemResult, ToEngine } from './engine-messages.ts';

/** What an engine tells whoever feeds it. After `onLost` only results come that were on their way. */
export interface EngineListener {
  /** Whole messages of an item that still runs. Call `Engine.release` with their length once they are gone. */
  onOutput(index: number, bytes: Uint8Array, copying: boolean): void;
  onResult(result: ItemResult): void;
  /** That many bytes given to `feed` are used up. */
  onConsumed(bytes: number): void;
  /** The engine ended by itself. `kill` it to know that its thread is gone. */
  onLost(reason: string): void;
}

export interface EngineOptions {
  /** PGlite's data directory; null: in memory. */
  readonly directory: string | null;
  /** A tar made by `dump`, from which a database that does not exist yet is made: ten times faster than from scratch. */
  readonly template: Uint8Array | null;
}

/** Bounds a start: the first one takes about three seconds here, the recovery of a large log somewhat longer. */
const startTimeoutMs = 120_000;
/** Bounds a shutdown, whose checkpoint takes a moment. */
const closeTimeoutMs = 30_000;

/** PGlite in its thread. Runs one group of batches at a time. Ends by `close` or `kill`. */
export class Engine {
  /** Values of the settings that Postgres reports to clients, at the start. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Whether the start made a new database. */
  readonly created: boolean;
  readonly control: Control;
  readonly #worker: Worker;
  readonly #listener: EngineListener;
  #ended = false;
  #dumped: { resolve: (tar: Uint8Array) => void; reject: (error: Error) => void } | undefined;
  #onClosed: (() => void) | undefined;

  /** Rejects with the reason when PGlite does not start. */
  static async start(options: EngineOptions, listener: EngineListener): Promise<Engine> {
    const control = new Control();
    const worker = new Worker(new URL(`./engine-worker.${moduleExtension}`, import.meta.url), {
      workerData: { ...options, control: control.memory } satisfies EngineStart,
      // Postgres limits its own recursion (max_stack_depth) only if the thread's stack does not end before.
      resourceLimits: { stackSizeMb: 64 },
      execArgv: [],
    });
    try {
      const ready = await firstMessage(worker);
      return new Engine(worker, control, ready, listener);
    } catch (error) {
      await worker.terminate();
      throw error;
    }
  }

  private constructor(
    worker: Worker,
    control: Control,
    ready: Extract<FromEngine, { kind: 'ready' }>,
    listener: EngineListener,
  ) {
    this.#worker = worker;
    this.control = control;
    this.#listener = listener;
    this.parameters = new Map(ready.parameters);
    this.created = ready.created;
    worker.on('message', (message: FromEngine) => this.#receive(message));
    worker.on('error', (error) => this.#lose(error.message));
    worker.on('exit', (code) => this.#lose(`its thread ended with code ${code}`));
  }

  /** Runs a group. The parts of all items follow each other in `parts`. */
  run(items: readonly GroupItem[], parts: readonly Uint8Array[]): void {
    const bytes = joined(parts);
    this.control.begin();
    this.#post({ kind: 'run', items, bytes }, bytes);
  }

  /** Gives the running COPY FROM STDIN more messages. */
  feed(parts: readonly Uint8Array[]): void {
    const bytes = joined(parts);
    this.#post({ kind: 'feed', bytes }, bytes);
    this.control.wake();
  }

  /** See `EngineListener.onOutput`. */
  release(bytes: number): void {
    this.control.read(bytes);
  }

  /** A tar of the data directory. Only while nothing runs. Rejects when the engine ends meanwhile. */
  dump(): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#dumped = { resolve, reject };
      this.#post({ kind: 'dump' });
    });
  }

  /** Ends Postgres as a shutdown would, and the thread. Only while nothing runs. */
  async close(): Promise<void> {
    if (this.#ended) return;
    const closed = new Promise<void>((resolve) => {
      this.#onClosed = resolve;
    });
    this.#post({ kind: 'close' });
    // One that does not come to its end is killed all the same, and the next start recovers.
    await isWithin(closeTimeoutMs, closed);
    await this.kill();
  }

  /**
   * Ends the thread whatever it does, in about 20 ms. For the database that is a crash, from which the next start recovers.
   * Results that were on their way still arrive before the promise resolves: Node drains a worker's port at its exit.
   */
  async kill(): Promise<void> {
    this.#ended = true;
    await this.#worker.terminate();
  }

  #receive(message: FromEngine): void {
    switch (message.kind) {
      case 'output':
        return this.#listener.onOutput(message.index, message.bytes, message.copying);
      case 'result':
        return this.#listener.onResult(message);
      case 'consumed':
        return this.#listener.onConsumed(message.bytes);
      case 'dumped':
        return this.#dumped?.resolve(message.tar);
      case 'crashed':
        return this.#lose(message.reason);
      case 'closed':
        return this.#onClosed?.();
      case 'ready':
        return;
      default:
        message satisfies never;
    }
  }

  #lose(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onClosed?.();
    this.#dumped?.reject(new Error(`the database's engine ended: ${reason}`));
    this.#listener.onLost(reason);
  }

  #post(message: ToEngine, bytes?: Uint8Array<ArrayBuffer>): void {
    this.#worker.postMessage(message, bytes && bytes.length >= transferBytes ? [bytes.buffer] : []);
  }
}

/** Copying is cheaper than transferring below this size. */
const transferBytes = 16 * 1024;

/** In memory of its own: a view would take the whole packet along to the other thread. */
function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** The worker's module is named by a string, which no compiler rewrites. */
const moduleExtension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

function firstMessage(worker: Worker): Promise<Extract<FromEngine, { kind: 'ready' }>> {
  return new Promise((resolve, reject) => {
    const settle = (failure: string | null, cause?: unknown) => {
      clearTimeout(timer);
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      if (failure !== null) reject(new OperationalError(`PGlite did not start: ${failure}`, { cause }));
    };
    const onMessage = (message: FromEngine) => {
      if (message.kind === 'ready') resolve(message);
      settle(message.kind === 'ready' ? null : `its first message was ${message.kind}`);
    };
    const onError = (error: Error) => settle(error.message, error);
    const onExit = (code: number) => settle(`its thread ended with code ${code}`);
    const timer = setTimeout(() => settle(`it took longer than ${startTimeoutMs} ms`), startTimeoutMs);
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
  });
}

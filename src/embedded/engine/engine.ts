import { Worker } from 'node:worker_threads';
import { OperationalError } from '../../operational-error.ts';
import { isWithin } from '../../within.ts';
import { Control } from './engine-messages.ts';
import type { EngineStart, FromEngine, GroupItem, ItemResult, ToEngine } from './engine-messages.ts';

/** The events of an engine. After `onLost`, only results that were already on their way follow. */
export interface EngineListener {
  /**
   * Whole messages of an item that still runs. The listener calls `Engine.release` with their length once the
   * client has them.
   */
  onOutput(index: number, bytes: Uint8Array, copying: boolean): void;
  onResult(result: ItemResult): void;
  /** That many bytes given to `feed` are consumed. */
  onConsumed(bytes: number): void;
  /** The engine ended by itself. Await `kill` to be sure that its thread is gone. */
  onLost(reason: string): void;
}

export interface EngineOptions {
  /** PGlite's data directory; null: in memory. */
  readonly directory: string | null;
  /**
   * A tar made by `dump`. A database that does not exist yet is made from it, ten times faster than from
   * scratch.
   */
  readonly template: Uint8Array | null;
}

/** Bounds a start. The first one takes about three seconds here, the recovery of a large log somewhat longer. */
const startTimeoutMs = 120_000;
/** Bounds a shutdown, whose checkpoint takes time. */
const closeTimeoutMs = 30_000;

/** PGlite in its thread. Runs one group of batches at a time. The owner ends it with `close` or `kill`. */
export class Engine {
  /** Values at the start of the settings that Postgres reports to clients. */
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
      // Postgres limits its own recursion (max_stack_depth), but only if the thread's stack is large enough to
      // reach that limit.
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

  /** Runs a group. `parts` holds the parts of all items, one item after the other. */
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

  /** Marks output as read; see `EngineListener.onOutput`. */
  release(bytes: number): void {
    this.control.read(bytes);
  }

  /**
   * Returns a tar of the data directory. Call it only while nothing runs. Rejects if the engine ends before the
   * tar is made.
   */
  dump(): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#dumped = { resolve, reject };
      this.#post({ kind: 'dump' });
    });
  }

  /** Shuts Postgres down cleanly and ends the thread. Call it only while nothing runs. */
  async close(): Promise<void> {
    if (this.#ended) return;
    const closed = new Promise<void>((resolve) => {
      this.#onClosed = resolve;
    });
    this.#post({ kind: 'close' });
    // An engine that does not shut down in time is killed anyway, and the next start recovers.
    await isWithin(closeTimeoutMs, closed);
    await this.kill();
  }

  /**
   * Ends the thread in about 20 ms, whatever it is doing. For the database this is a crash, from which the next
   * start recovers. Results that were on their way still arrive before the promise resolves: Node drains a
   * worker's port at its exit.
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

/**
 * Copies the parts into memory of their own: transferring a view would take the whole packet to the other
 * thread.
 */
function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** The worker's module is named by a string, which a compiler does not rewrite. */
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

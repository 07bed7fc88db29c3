import type { EmbeddedEvent } from '../embedded-event.ts';
import { Engine } from './engine.ts';
import type { EngineListener, EngineOptions } from './engine.ts';
import { monotonicMs } from './monotonic.ts';
import { crashed, engineGone } from '../front/reports.ts';
import type { Report } from '../wire.ts';

/** The events of an engine that may be replaced. */
export interface EngineHostListener extends Omit<EngineListener, 'onLost'> {
  /** The engine is dead and will send nothing more. `report` is meant for the client whose batch it ran. */
  onDown(engine: Engine, report: Report): void;
  /** Another engine runs. It knows nothing of the earlier sessions. */
  onUp(engine: Engine): void;
  /** The engine failed for good. */
  onFailed(report: Report): void;
}

/** More crashes than this within a minute mean that the next start would crash, too. */
const largestCrashes = 6;
const crashWindowMs = 60_000;
/** Pauses before the start that follows the first crash of that minute, the second, and so on. */
const backOffMs = [0, 0, 250, 500, 1000, 2000];

/** Keeps an engine running: starts another one on the same directory after the engine was ended or has crashed. */
export class EngineHost {
  readonly #options: EngineOptions;
  readonly #listener: EngineHostListener;
  readonly #onEvent: (event: EmbeddedEvent) => void;
  #engine: Engine | null = null;
  #number = 0;
  #crashes: number[] = [];
  #replacing: Promise<void> | null = null;
  #closing = false;

  constructor(options: EngineOptions, listener: EngineHostListener, onEvent: (event: EmbeddedEvent) => void) {
    this.#options = options;
    this.#listener = listener;
    this.#onEvent = onEvent;
  }

  /** Null: no engine runs, for a moment or for good. */
  get engine(): Engine | null {
    return this.#engine;
  }

  /** The number of engines so far. Prepared statements belong to one of them. */
  get number(): number {
    return this.#number;
  }

  /** Whether another engine is about to start. */
  get replacing(): boolean {
    return this.#replacing !== null;
  }

  /** Whether acknowledged data survive the end of the engine. False in memory. */
  get recovers(): boolean {
    return this.#options.directory !== null;
  }

  /** Starts the first engine. Rejects when the engine does not start; the caller then has nothing to close. */
  async start(): Promise<void> {
    const began = performance.now();
    const engine = await this.#start();
    this.#onEvent({ kind: 'engine-started', durationMs: performance.now() - began, created: engine.created });
  }

  /** Ends the engine, whatever it is doing, and starts another. `report` goes to the client whose batch it ran. */
  replace(report: Report, reason: string): void {
    const engine = this.#engine;
    if (!engine) return;
    this.#engine = null;
    this.#replacing = this.#replace(engine, report, reason);
  }

  /**
   * `rough`: a statement still runs, so the engine is killed and the next start recovers. Otherwise Postgres
   * shuts down cleanly.
   */
  async close(rough: boolean): Promise<void> {
    this.#closing = true;
    await this.#replacing;
    const engine = this.#engine;
    this.#engine = null;
    if (rough) await engine?.kill();
    else await engine?.close();
  }

  async #replace(engine: Engine, report: Report, reason: string): Promise<void> {
    const began = performance.now();
    // Results that were on their way still arrive.
    await engine.kill();
    this.#listener.onDown(engine, report);
    const failure = await this.#startAgain(reason);
    this.#replacing = null;
    if (failure !== null) {
      this.#onEvent({ kind: 'engine-failed', reason: failure });
      this.#listener.onFailed(engineGone(failure));
    } else if (this.#engine) {
      this.#onEvent({ kind: 'engine-restarted', reason, downMs: performance.now() - began });
      this.#listener.onUp(this.#engine);
    }
  }

  /** Null: another engine runs, or the host is closing. Otherwise the reason why no engine will start. */
  async #startAgain(reason: string): Promise<string | null> {
    if (!this.recovers) return `${reason}; it was in memory, so its data are lost`;
    let failure = reason;
    while (!this.#closing) {
      const crashes = this.#countCrashes();
      if (crashes > largestCrashes)
        return `it crashed ${crashes} times within a minute; last reason: ${failure}`;
      await sleep(backOffMs[crashes - 1] ?? 0);
      try {
        await this.#start();
        return null;
      } catch (error) {
        failure = error instanceof Error ? error.message : String(error);
        this.#crashes.push(monotonicMs());
      }
    }
    return null;
  }

  async #start(): Promise<Engine> {
    const engine: Engine = await Engine.start(this.#options, {
      onOutput: (index, bytes, copying) => this.#listener.onOutput(index, bytes, copying),
      onResult: (result) => this.#listener.onResult(result),
      onConsumed: (bytes) => this.#listener.onConsumed(bytes),
      onLost: (reason) => {
        if (this.#engine !== engine) return;
        this.#crashes.push(monotonicMs());
        this.replace(crashed(reason), reason);
      },
    });
    this.#engine = engine;
    this.#number++;
    return engine;
  }

  #countCrashes(): number {
    const now = monotonicMs();
    this.#crashes = this.#crashes.filter((at) => now - at < crashWindowMs);
    return this.#crashes.length;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

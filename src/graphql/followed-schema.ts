import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../log.ts';
import { stackOfBug } from '../operational-error.ts';
import type { SchemaSnapshot } from './schema-snapshot.ts';

/** Intervals, in milliseconds. */
export interface FollowPace {
  /** Shortest pause after a build, however many are asked for. After a slow build it is twice as long as that took. */
  readonly betweenBuilds: number;
  /** Pause after the first failure. It doubles after each further failure, up to `lastRetry`. */
  readonly firstRetry: number;
  readonly lastRetry: number;
}

const defaultPace: FollowPace = { betweenBuilds: 1_000, firstRetry: 1_000, lastRetry: 32_000 };

/**
 * Builds a snapshot. Null: the catalog is as it was for the snapshot that is known.
 */
export type Build = (known: SchemaSnapshot | null) => Promise<SchemaSnapshot | null>;

/**
 * Keeps the GraphQL schema current. `reload` asks for a look at the catalog; the present snapshot serves until its
 * successor is complete. A build that fails is logged and tried again. `close` it before the database.
 */
export class FollowedSchema {
  readonly #build: Build;
  readonly #log: Log;
  readonly #pace: FollowPace;
  /** Called with each new snapshot that replaces one. */
  onReplaced: (current: SchemaSnapshot) => void = () => {};
  readonly #closing = new AbortController();
  #current: SchemaSnapshot;
  /** Number of looks asked for so far. Those up to `#served` have been answered. */
  #asked = 0;
  #served = 0;
  #working: Promise<void> | null = null;
  /** Ends the pause after a failure. */
  #wake = new AbortController();

  private constructor(first: SchemaSnapshot, build: Build, log: Log, pace: FollowPace) {
    this.#current = first;
    this.#build = build;
    this.#log = log;
    this.#pace = pace;
  }

  /** Builds the first snapshot. Rejects when that fails. */
  static async open(build: Build, log: Log, pace: Partial<FollowPace> = {}): Promise<FollowedSchema> {
    const first = await build(null);
    if (first === null) throw new Error('the first build returned no snapshot');
    return new FollowedSchema(first, build, log, { ...defaultPace, ...pace });
  }

  /** The newest snapshot. */
  get current(): SchemaSnapshot {
    return this.#current;
  }

  /** Asks for a look at the catalog, soon. A look that is under way does not count. */
  reload(): void {
    if (this.#closing.signal.aborted) return;
    this.#asked++;
    this.#wake.abort();
    this.#working ??= this.#work().finally(() => (this.#working = null));
  }

  /** Stops looking, and waits for a running build. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#working;
  }

  async #work(): Promise<void> {
    for (let failures = 0; this.#asked > this.#served && !this.#closing.signal.aborted;) {
      const asked = this.#asked;
      const began = performance.now();
      this.#wake = new AbortController();
      try {
        const built = await this.#build(this.#current);
        this.#served = asked;
        failures = 0;
        if (built === null) continue;
        this.#current = built;
        this.onReplaced(built);
        const took = Math.round(performance.now() - began);
        this.#log({
          level: 'info',
          event: 'graphql-schema-built',
          message: `the GraphQL schema was built anew in ${took} ms`,
        });
        await this.#pause(Math.max(this.#pace.betweenBuilds, 2 * took), this.#closing.signal);
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        const pause = Math.min(this.#pace.firstRetry * 2 ** failures++, this.#pace.lastRetry);
        this.#log({
          level: 'error',
          event: 'graphql-schema-failed',
          message:
            `the GraphQL schema could not be built anew: ${error instanceof Error ? error.message : String(error)}; ` +
            `next try in ${pause / 1_000} s, requests are served with the one before`,
          stack: stackOfBug(error),
        });
        // A change may be the cure: it ends the pause, after the shortest.
        await this.#pause(Math.min(this.#pace.betweenBuilds, pause), this.#closing.signal);
        await this.#pause(
          pause - this.#pace.betweenBuilds,
          AbortSignal.any([this.#closing.signal, this.#wake.signal]),
        );
      }
    }
  }

  /** Resolves after the time, or when the signal ends it. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal }).catch(() => {});
  }
}

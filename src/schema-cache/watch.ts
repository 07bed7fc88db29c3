import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../db/database.ts';
import type { Log } from '../log.ts';
import { stackOfBug } from '../operational-error.ts';
import { isAnnounced } from './announced.ts';
import { readFingerprint } from './fingerprint.ts';
import type { Fingerprint } from './fingerprint.ts';
import { loadSchemaCache } from './load.ts';
import type { SchemaCacheOptions } from './load.ts';
import type { SchemaCache } from './schema-cache.ts';

export interface WatchOptions {
  /** Returns the options of a load. Called at every load, so that a reloaded configuration takes effect. */
  readonly scope: () => SchemaCacheOptions;
  /**
   * The channel that carries `reload schema`, `reload config`, or an empty payload, which means both. Null: do not
   * listen.
   */
  readonly channel: string | null;
  /**
   * What a notification does. `load`: reads the catalog anew, as PostgREST does. `look`: reads it anew where it has changed, because
   * any login may notify. Default: `load`.
   */
  readonly whenNotified?: 'load' | 'look';
  /** Called for `reload config`; if the payload means both, before the reload. */
  readonly onReloadConfig?: () => void;
  /** Runs at the start of every load, to refresh what the scope is read from. If it fails, so does the load. */
  readonly beforeLoad?: () => Promise<void>;
  /**
   * Called when a newer snapshot has replaced one that was served. It is then time to renew connections: their prepared
   * statements keep the old types, and their login may have been given other settings.
   */
  readonly onReplaced?: () => void;
  readonly log: Log;
  readonly pace?: Partial<WatchPace>;
}

/** Intervals, in milliseconds. */
export interface WatchPace {
  /** Shortest time between the starts of two loads, however many are requested. */
  readonly betweenLoads: number;
  /** Time between two checks of the catalog, where no event trigger announces changes or a notification only asks for a check. */
  readonly betweenLooks: number;
  /** Shortest time between two checks, however many notifications ask for one. */
  readonly betweenNotifiedLooks: number;
  /** Pause after the first failure. It doubles after each further failure, up to `lastRetry`. */
  readonly firstRetry: number;
  readonly lastRetry: number;
}

/** PostgREST's values, where it has them (Schema Cache, Debouncing; Connection Pool, Automatic Recovery). */
const defaultPace: WatchPace = {
  betweenLoads: 100,
  betweenLooks: 5_000,
  betweenNotifiedLooks: 1_000,
  firstRetry: 1_000,
  lastRetry: 32_000,
};

/**
 * Keeps the snapshot of the catalog current. Loads at once. Reloads when NOTIFY or `reload` asks for it, when the
 * listening connection was lost meanwhile, and when a check finds the catalog changed. The current snapshot is served
 * until its successor is complete. A load that fails is logged and retried. `close` it before the database.
 */
export class SchemaCacheWatcher {
  /** Whether the first attempt produced a snapshot. Never rejects. */
  readonly firstLoad: Promise<boolean>;
  readonly #database: Database;
  readonly #options: WatchOptions;
  readonly #pace: WatchPace;
  readonly #closing = new AbortController();
  readonly #waiting: { readonly request: number; readonly settle: (loaded: boolean) => void }[] = [];
  readonly #loops: Promise<void>[];
  #current: SchemaCache | null = null;
  /** Number of requests so far. The running load, or an earlier one, answers those up to `#served`. */
  #requests = 0;
  #served = 0;
  /** Cuts short the pause before the next load. */
  #wake: () => void = () => {};
  /** Whether a notification asks for a check, and what cuts short the pause before it. */
  #lookAsked = false;
  #lookNow: () => void = () => {};
  #stopListening: (() => Promise<void>) | null = null;
  #fingerprint: Fingerprint | null = null;
  #announced = false;
  /** A notification may have been sent before we listened. */
  #unheard = true;

  constructor(database: Database, options: WatchOptions) {
    this.#database = database;
    this.#options = options;
    this.#pace = { ...defaultPace, ...options.pace };
    this.firstLoad = this.reload();
    this.#loops = [this.#keepLoaded(), this.#keepListening(), this.#keepLooking()].map((loop) =>
      // Each loop ends when closing interrupts its pause, which then rejects.
      loop.catch((error: unknown) => {
        if (!this.#closed) throw error;
      }),
    );
  }

  /** The newest snapshot; null until the first is loaded. */
  get current(): SchemaCache | null {
    return this.#current;
  }

  /** Requests a load. Resolves when a load that began after this call has ended; true if it produced a snapshot. */
  reload(): Promise<boolean> {
    return new Promise((settle) => {
      if (this.#closed) return settle(false);
      this.#waiting.push({ request: ++this.#requests, settle });
      this.#wake();
    });
  }

  /** Stops listening and checking, and waits for a running load. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake();
    this.#lookNow();
    await Promise.all(this.#loops);
    await this.#stopListening?.();
    this.#settle(this.#requests, false);
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #keepLoaded(): Promise<void> {
    for (let failures = 0; !this.#closed;) {
      const started = Date.now();
      const served = (this.#served = this.#requests);
      const loaded = await this.#load(failures);
      this.#settle(served, loaded);
      failures = loaded ? 0 : failures + 1;
      await this.#requested(loaded ? null : this.#retryPause(failures - 1));
      await this.#pause(Math.max(0, started + this.#pace.betweenLoads - Date.now()));
    }
  }

  async #load(failures: number): Promise<boolean> {
    const { channel, scope, log } = this.#options;
    const started = performance.now();
    try {
      await this.#options.beforeLoad?.();
      // Read before the load: the next check then finds anything that changes during it.
      const fingerprint = await readFingerprint(this.#database);
      const announced = channel !== null && (await isAnnounced(this.#database, channel));
      const cache = await loadSchemaCache(this.#database, scope());
      const replaces = this.#current !== null;
      this.#current = cache;
      this.#fingerprint = fingerprint;
      this.#announced = announced;
      if (replaces) this.#options.onReplaced?.();
      log({
        level: 'info',
        event: 'schema-cache-loaded',
        message:
          `catalog read in ${Math.round(performance.now() - started)} ms: ` +
          `${cache.tables.size} relations, ${cache.routines.size} functions`,
      });
      return true;
    } catch (error) {
      if (!this.#closed) {
        log({
          level: 'error',
          event: 'schema-cache-failed',
          message:
            `the catalog could not be read: ${messageOf(error)}; next try in ${this.#retryPause(failures) / 1_000} s, ` +
            (this.#current
              ? 'requests are served from what was read before'
              : 'requests are refused until then'),
          stack: stackOfBug(error),
        });
      }
      return false;
    }
  }

  #retryPause(failures: number): number {
    return Math.min(this.#pace.firstRetry * 2 ** failures, this.#pace.lastRetry);
  }

  /** Resolves as soon as there is an unanswered request, and at the latest after the pause. */
  async #requested(pauseMs: number | null): Promise<void> {
    if (this.#requests > this.#served || this.#closed) return;
    await new Promise<void>((resolve) => {
      const timer = pauseMs === null ? undefined : setTimeout(resolve, pauseMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }

  #settle(served: number, loaded: boolean): void {
    while (this.#waiting.length > 0 && this.#waiting[0]!.request <= served) {
      this.#waiting.shift()!.settle(loaded);
    }
  }

  async #keepListening(): Promise<void> {
    const { channel, log } = this.#options;
    if (channel === null) return;
    for (let failures = 0; ; failures++) {
      try {
        this.#stopListening = await this.#database.listen(
          channel,
          (payload) => this.#notified(payload),
          (cause) => {
            // While listening is impossible, the next check of the catalog finds the changes.
            if (cause === 'cannot-listen') this.#unheard = true;
            else void this.reload();
          },
        );
        break;
      } catch (error) {
        if (this.#closed) return;
        // A standby refuses LISTEN until it is promoted.
        if (failures === 0) {
          log({
            level: 'warning',
            event: 'schema-cache-not-listening',
            message: `NOTIFY ${channel} cannot ask for a reload yet: ${messageOf(error)}`,
          });
        }
        await this.#pause(this.#retryPause(failures));
      }
    }
  }

  #notified(payload: string): void {
    if (payload === '' || payload === 'reload config') this.#options.onReloadConfig?.();
    if (payload !== '' && payload !== 'reload schema') return;
    if (this.#options.whenNotified !== 'look') return void this.reload();
    this.#lookAsked = true;
    this.#lookNow();
  }

  async #keepLooking(): Promise<void> {
    const { whenNotified } = this.#options;
    for (let failed = false; ;) {
      const paused = Math.min(this.#pace.betweenNotifiedLooks, this.#pace.betweenLooks);
      await this.#pause(paused);
      await this.#askedToLook(this.#pace.betweenLooks - paused);
      const known = this.#fingerprint;
      const listening = this.#stopListening !== null;
      if (known === null) continue;
      if (whenNotified !== 'look' && this.#announced && listening && !this.#unheard) continue;
      this.#lookAsked = false;
      try {
        const now = await readFingerprint(this.#database, known);
        failed = false;
        if (this.#fingerprint !== known) {
          // A load has ended meanwhile, and may have begun before what this check has seen.
          this.#lookAsked = true;
          continue;
        }
        this.#fingerprint = now;
        this.#unheard &&= !listening;
        if (now.catalog !== known.catalog) await this.reload();
      } catch (error) {
        if (!failed && !this.#closed) {
          this.#options.log({
            level: 'warning',
            event: 'schema-cache-not-looking',
            message: `cannot check whether the catalog changed: ${messageOf(error)}; the check is repeated until it succeeds`,
          });
        }
        failed = true;
      }
    }
  }

  /** Resolves as soon as a notification asks for a check, and at the latest after the pause. */
  async #askedToLook(pauseMs: number): Promise<void> {
    if (this.#lookAsked || this.#closed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      this.#lookNow = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#lookNow = () => {};
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#closing.signal });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { EmbeddedEvent } from '../embedded-event.ts';
import { EngineHost } from '../engine/engine-host.ts';
import type { ItemResult } from '../engine/engine-messages.ts';
import type { Engine, EngineOptions } from '../engine/engine.ts';
import { monotonicMs } from '../engine/monotonic.ts';
import { setUpOnly } from '../front/batch.ts';
import type { Client, Executor } from '../front/client.ts';
import { cancelled, notRead, sessionLost, settingsRefused, shuttingDown } from '../front/reports.ts';
import { isWithin } from '../../within.ts';
import { errorResponse } from '../wire.ts';
import type { Report } from '../wire.ts';
import { Channels } from './channels.ts';
import { deliver } from './deliver.ts';
import { fatesOf } from './engine-loss.ts';
import { groupOf, rollback, send } from './group.ts';
import type { Item, Loaded } from './group.ts';
import { HeldSession } from './held-session.ts';
import { WaitingLine } from './waiting-line.ts';
import { verdicts, watchedRun } from './watchdog.ts';
import type { Verdict, Watched, WatchdogLimits } from './watchdog.ts';

export interface SchedulerOptions extends WatchdogLimits {
  readonly engine: EngineOptions;
  readonly onEvent: (event: EmbeddedEvent) => void;
}

/** Interval between two looks at the timeouts, and so their precision. */
const tickMs = 50;
/** Interval between two looks at the length of the log, while there is work. */
const checkpointMs = 2000;
/** Time that `close` gives to running work. */
const drainMs = 5000;
const goodbyeMs = 20;

/**
 * Shares the engine's one session out among the clients. A client in a transaction has the engine to itself
 * until the end; all others queue, in the order in which their batches came. Several waiting batches go to the
 * engine in one group.
 *
 * The scheduler is the watchdog as well. PGlite cannot interrupt a statement. So a statement that takes too
 * long, or that its client cancels, is ended together with the engine's thread, and another engine is started
 * on the same directory. That engine recovers as after a crash, and clients without an open transaction go on
 * as if nothing had happened. In memory there is nothing to recover from: there statements run as long as they
 * like.
 */
export class Scheduler implements Executor {
  readonly #options: SchedulerOptions;
  readonly #channels = new Channels<Client>();
  readonly #clients = new Set<Client>();
  readonly #host: EngineHost;
  readonly #session = new HeldSession();
  readonly #queue = new WaitingLine();
  /** The client that has the engine until its transaction ends; `#heldSince` is when that began. */
  #holder: Client | null = null;
  #heldSince = 0;
  #running: Running | null = null;
  /** The last time that a client read a part of a large result. */
  #readAt = 0;
  /** The last time that the length of the log was checked. */
  #checkpointAt = 0;
  #timer: NodeJS.Timeout | undefined;
  /** The client whose COPY data are on their way to the engine. */
  #feeder: Client | null = null;
  #failed: Report | null = null;
  #dumping = false;
  #closing = false;
  #onIdle: (() => void)[] = [];

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#host = new EngineHost(
      options.engine,
      {
        onOutput: (index, bytes, copying) => this.#onOutput(index, bytes, copying),
        onResult: (result) => this.#onResult(result),
        onConsumed: (bytes) => this.#feeder?.consumed(bytes),
        onDown: (engine, report) => this.#onDown(engine, report),
        onUp: (engine) => this.#onUp(engine),
        onFailed: (report) => this.#onFailed(report),
      },
      options.onEvent,
    );
  }

  /** Starts the engine. Rejects when the engine does not start; the caller then has nothing to close. */
  async start(): Promise<void> {
    await this.#host.start();
    if (this.#host.engine) this.#onUp(this.#host.engine);
  }

  /**
   * Values of the settings that Postgres reports. They are up to date right after `settle` of the client that
   * set them.
   */
  get parameters(): ReadonlyMap<string, string> {
    return this.#session.parameters;
  }

  /** The reason why clients are refused; null: they are served. */
  get refusal(): Report | null {
    return this.#failed ?? (this.#closing ? shuttingDown : null);
  }

  /** Adds a client, before its first batch. */
  join(client: Client): void {
    this.#clients.add(client);
    client.engineNumber = this.#host.number;
  }

  submit(client: Client): void {
    const { refusal } = this;
    if (refusal && client !== this.#holder) return this.#cutOff(client, refusal);
    if (client !== this.#holder) this.#queue.push(client);
    this.#proceed();
  }

  feed(client: Client, parts: readonly Uint8Array[]): void {
    this.#feeder = client;
    this.#host.engine?.feed(parts);
  }

  leave(client: Client): void {
    this.#clients.delete(client);
    this.#channels.set(client, new Set());
    if (client.engineNumber === this.#host.number) this.#session.forgetStatementsOf(client);
    if (this.#holder === client) this.#rollBack();
    else this.#proceed();
  }

  /**
   * Handles a CancelRequest of `client`. A batch that waits is answered at once; a batch that runs takes the
   * engine with it.
   */
  cancel(client: Client): void {
    if (!this.withdraw(client) && client.batch) {
      client.cancelRequested = true;
      this.#watch();
    }
  }

  /** Answers a batch that waits, or comes to wait once more, and leaves one that runs. Returns whether one waited. */
  withdraw(client: Client): boolean {
    client.withdrawRequested = client.batch !== null;
    if (!this.#queue.clients.includes(client)) return false;
    this.#queue.delete(client);
    client.fail(cancelled);
    return true;
  }

  /** Returns a tar of the data directory. Waits for running work, and nothing else runs until the tar is made. */
  async dump(): Promise<Uint8Array> {
    await this.#idle();
    const { engine } = this.#host;
    if (!engine || this.#dumping) throw new Error('expected a running database and no other dump');
    this.#dumping = true;
    try {
      return await engine.dump();
    } finally {
      this.#dumping = false;
      this.#proceed();
    }
  }

  /** Gives running work up to five seconds to finish, cuts all clients off and closes the database. `rough`: without a checkpoint. */
  async close(rough = false): Promise<void> {
    this.#closing = true;
    // Clients that have just said goodbye are read first, so that they are not told of a shutdown.
    await sleep(goodbyeMs);
    for (const client of this.#queue.clear()) this.#cutOff(client, shuttingDown);
    for (const client of new Set(this.#clients)) if (!client.batch) this.#cutOff(client, shuttingDown);
    await isWithin(drainMs, this.#idle());
    for (const client of this.#clients) client.end(shuttingDown);
    clearInterval(this.#timer);
    await this.#host.close(rough || this.#running !== null || this.#holder !== null);
  }

  #proceed(): void {
    const { engine } = this.#host;
    if (!engine || this.#running || this.#dumping) return;
    const waiting = this.#holder ? [this.#holder].filter((holder) => holder.batch) : this.#queue.clients;
    if (waiting.length === 0) {
      if (!this.#holder) this.#wakeIdle();
      return;
    }
    const now = monotonicMs();
    const checkpoint = !this.#holder && now - this.#checkpointAt > checkpointMs;
    if (checkpoint) this.#checkpointAt = now;
    const { items, taken } = groupOf(waiting, {
      loaded: this.#session.loaded,
      engineNumber: this.#host.number,
      staleStatements: this.#session.takeStaleStatements(),
      channels: this.#channels.catchUp(),
      checkpoint,
    });
    if (!this.#holder) this.#queue.shift(taken);
    this.#run(engine, items);
  }

  #run(engine: Engine, items: readonly Item[]): void {
    this.#running = { items, revokedAfter: null };
    send(engine, items);
    this.#watch();
  }

  /** Undoes the holder's transaction after it has left. */
  #rollBack(): void {
    const { engine } = this.#host;
    if (!engine) return;
    this.#run(engine, rollback());
  }

  /** Resolves when nothing runs and no client waits. */
  async #idle(): Promise<void> {
    while (this.#running || this.#holder || this.#host.replacing || !this.#queue.isEmpty)
      await new Promise<void>((resolve) => void this.#onIdle.push(resolve));
  }

  #wakeIdle(): void {
    for (const wake of this.#onIdle.splice(0)) wake();
  }

  #onOutput(index: number, bytes: Uint8Array, copying: boolean): void {
    const { engine } = this.#host;
    const item = this.#running?.items[index];
    if (item?.purpose !== 'batch') {
      engine?.release(bytes.length);
      return;
    }
    this.#readAt = monotonicMs();
    item.client.output(bytes, () => {
      this.#readAt = monotonicMs();
      engine?.release(bytes.length);
    });
    if (copying) item.client.startCopying();
  }

  #onResult(result: ItemResult): void {
    const run = this.#running;
    const item = run?.items[result.index];
    if (!run || !item) return;
    item.ran = true;
    this.#session.report(result.parameters);
    if (result.last) {
      this.#running = null;
      if (run.revokedAfter === null) this.#queue.putBack(run.items.slice(result.index + 1), this.#holder);
    }
    switch (item.purpose) {
      case 'batch':
        this.#onBatch(item.client, result);
        break;
      case 'switch':
        this.#onSwitched(item.client, item.after, result.error);
        break;
      case 'restore':
        item.client.engineNumber = this.#host.number;
        this.#session.unnamedBelongsTo(item.unnamed && !result.error ? item.client : null);
        break;
      case 'rollback':
        this.#holder = null;
        this.#session.after(item.purpose);
        break;
      case 'tidy':
      case 'checkpoint':
        this.#session.after(item.purpose);
        break;
      default:
        item satisfies never;
    }
    if (result.last) this.#proceed();
  }

  #onSwitched(client: Client, after: Loaded, error: Uint8Array | undefined): void {
    if (!error) {
      this.#session.switchedTo(after);
      return;
    }
    this.#cutOff(client, settingsRefused(error, client.batch === setUpOnly));
  }

  #onBatch(client: Client, result: ItemResult): void {
    const { batch } = client;
    const consequences = client.settle(result);
    if (this.#clients.has(client)) this.#channels.set(client, client.session.channels);
    if (consequences.deallocateAll) {
      this.#session.forgetStatementsOf(client);
      client.statements.clear();
    }
    if (client.busy) {
      if (this.#holder !== client) this.#heldSince = monotonicMs();
      this.#holder = client;
    } else {
      if (this.#holder === client) this.#holder = null;
      this.#session.batchEnded(client, batch, consequences);
    }
    if (result.error || batch?.unnamed === 'dropped') this.#session.unnamedBelongsTo(null);
    else if (batch?.unnamed === 'parsed') this.#session.unnamedBelongsTo(client);
    deliver(client, result, this.#channels);
    client.proceed();
    if (this.#holder === client && !this.#clients.has(client) && !this.#running) this.#rollBack();
  }

  /** Checks timeouts for as long as anything can time out. */
  #watch(): void {
    this.#timer ??= setInterval(() => {
      if (this.#running || this.#holder || !this.#queue.isEmpty) return this.#tick(monotonicMs());
      clearInterval(this.#timer);
      this.#timer = undefined;
    }, tickMs);
  }

  #tick(now: number): void {
    const { engine } = this.#host;
    const run = this.#running;
    const holder = this.#holder;
    const watched: Watched<Client> = {
      now,
      run: engine && run && watchedRun(run, engine.control, this.#readAt),
      holder: holder && this.#clients.has(holder) ? holder : null,
      busySince: holder ? this.#heldSince : (engine?.control.startedAt ?? now),
      queue: this.#queue.clients,
    };
    for (const verdict of verdicts(watched, this.#options)) this.#carryOut(verdict);
  }

  #carryOut(verdict: Verdict<Client>): void {
    switch (verdict.kind) {
      case 'take-back':
        if (this.#running && this.#host.engine?.control.revoke(verdict.after)) {
          this.#running.revokedAfter = verdict.after;
          this.#queue.putBack(this.#running.items.slice(verdict.after + 1), this.#holder);
          for (const client of this.#queue.clients) if (client.withdrawRequested) this.withdraw(client);
        }
        break;
      case 'stop-copying':
        verdict.client.stopCopying(verdict.reason);
        break;
      case 'end-unread':
        verdict.client.destroy();
        this.#options.onEvent({ kind: 'client-ended', code: notRead.code, message: notRead.message });
        break;
      case 'replace-engine':
        if (this.#host.recovers) this.#host.replace(verdict.report, verdict.report.message);
        break;
      case 'cut-off':
        this.#cutOff(verdict.client, verdict.report);
        break;
      case 'give-up-waiting':
        this.#queue.delete(verdict.client);
        verdict.client.fail(verdict.report);
        break;
      default:
        verdict satisfies never;
    }
  }

  #onUp(engine: Engine): void {
    this.#session.begin(engine.parameters);
    this.#proceed();
  }

  #onFailed(report: Report): void {
    this.#failed = report;
    for (const client of new Set(this.#clients)) this.#cutOff(client, report);
    this.#wakeIdle();
  }

  /** Answers the clients of the work that ran when the engine ended, and forgets the session that it held. */
  #onDown(engine: Engine, report: Report): void {
    const run = this.#running;
    const holder = this.#holder;
    this.#running = null;
    this.#holder = null;
    this.#session.end();
    this.#channels.forgetEngine();
    const position = run?.revokedAfter ?? engine.control.position;
    if (run && run.revokedAfter === null) this.#queue.putBack(run.items.slice(position + 1), this.#holder);
    for (const { kind, client, report: told } of fatesOf(run?.items ?? [], position, holder, report)) {
      if (kind === 'cut-off') this.#cutOff(client, told);
      else if (kind === 'fail') client.fail(told);
      else client.output(errorResponse(told));
    }
    if (holder && this.#clients.has(holder)) this.#cutOff(holder, sessionLost);
  }

  #cutOff(client: Client, report: Report): void {
    this.#queue.delete(client);
    client.end(report);
    client.drop();
    if (report === shuttingDown) return;
    this.#options.onEvent({ kind: 'client-ended', code: report.code, message: report.message });
  }
}

interface Running {
  readonly items: readonly Item[];
  /** The items after this index were taken back. */
  revokedAfter: number | null;
}

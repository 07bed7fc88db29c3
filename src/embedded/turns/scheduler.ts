import type { Client, Executor } from '../front/client.ts';
import { Channels } from './channels.ts';
import type { EmbeddedEvent } from '../embedded-event.ts';
import type { Engine, EngineOptions } from '../engine/engine.ts';
import { EngineHost } from '../engine/engine-host.ts';
import type { ItemResult } from '../engine/engine-messages.ts';
import { setUpOnly } from '../front/batch.ts';
import { monotonicMs } from '../engine/monotonic.ts';
import { groupOf, loadedAfter, untouched } from './group.ts';
import type { Item, Loaded } from './group.ts';
import {
  cancelled,
  copyStalled,
  idleInTransaction,
  notRead,
  notRestored,
  outcomeUnknown,
  sessionLost,
  shuttingDown,
  statementTimeout,
  waitedTooLong,
} from '../front/reports.ts';
import { errorResponse, query, readReport, sync } from '../wire.ts';
import type { Report } from '../wire.ts';

export interface SchedulerOptions {
  readonly engine: EngineOptions;
  readonly idleInTransactionTimeoutMs: number;
  readonly queueTimeoutMs: number;
  readonly onEvent: (event: EmbeddedEvent) => void;
}

/** How often timeouts are looked after, and so how exact they are. */
const tickMs = 50;
/** An item of a group that runs longer than this has the items behind it taken back, for their own timeouts to count. */
const patienceMs = 100;
/** How often, while there is work, the length of the log is looked at. */
const checkpointMs = 2000;
/** How long `close` waits for what runs. */
const drainMs = 5000;
const goodbyeMs = 20;

/**
 * Shares the engine's one session out among the clients: who is in a transaction has it alone until the end, all others
 * queue, in the order in which their batches came. Several waiting batches go to the engine in one group.
 *
 * It also is the watchdog. PGlite cannot interrupt a statement, so a statement that takes too long, or that its client
 * cancels, is ended together with the engine's thread, and another engine is started on the same directory; it recovers as
 * after a crash, and clients without an open transaction go on as if nothing had happened. In memory there is nothing
 * to recover from: there statements run as long as they like.
 */
export class Scheduler implements Executor {
  readonly #options: SchedulerOptions;
  readonly #channels = new Channels<Client>();
  readonly #clients = new Set<Client>();
  readonly #host: EngineHost;
  #parameters = new Map<string, string>();
  /** The reported settings when the session was last known to be what its key says. */
  #expected: ReadonlyMap<string, string> = new Map();
  #loaded: Loaded = untouched;
  #queue: Client[] = [];
  /** Who has the engine until its transaction ends, and since when. */
  #holder: Client | null = null;
  #heldSince = 0;
  #running: Running | null = null;
  #staleStatements: string[] = [];
  /** When a client last read some of a large result. */
  #readAt = 0;
  /** When it was last seen to that the log does not grow. */
  #checkpointAt = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Whose COPY data are on their way to the engine. */
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

  /** Starts the engine. Rejects when it does not start; there is nothing to close then. */
  async start(): Promise<void> {
    await this.#host.start();
    if (this.#host.engine) this.#onUp(this.#host.engine);
  }

  /** Values of the settings that Postgres reports, as they are right after `settle` of the client that set them. */
  get parameters(): ReadonlyMap<string, string> {
    return this.#parameters;
  }

  /** Why nobody can be served any more, or not yet. */
  get refusal(): Report | null {
    return this.#failed ?? (this.#closing ? shuttingDown : null);
  }

  /** Counts a client in: before its first batch. */
  join(client: Client): void {
    this.#clients.add(client);
    client.engineNumber = this.#host.number;
  }

  submit(client: Client): void {
    const refusal = this.refusal;
    if (refusal && client !== this.#holder) {
      this.#cutOff(client, refusal);
      return;
    }
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
    if (client.engineNumber === this.#host.number)
      this.#staleStatements.push(...client.statements.engineNames());
    if (this.#holder === client) this.#rollBack();
    else this.#proceed();
  }

  /** A CancelRequest of `client`. One that waits is answered at once; one that runs takes the engine with it. */
  cancel(client: Client): void {
    if (this.#queue.includes(client)) {
      this.#queue = this.#queue.filter((other) => other !== client);
      client.fail(cancelled);
    } else if (client.batch) {
      client.cancelRequested = true;
      this.#watch();
    }
  }

  /** A tar of the data directory. Waits for what runs; nothing else runs meanwhile. */
  async dump(): Promise<Uint8Array> {
    await this.#idle();
    const { engine } = this.#host;
    if (!engine || this.#dumping) throw new Error('the embedded database does not run, or is being dumped');
    this.#dumping = true;
    try {
      return await engine.dump();
    } finally {
      this.#dumping = false;
      this.#proceed();
    }
  }

  /** Lets what runs come to its end (five seconds at most), cuts everybody off and closes the database. */
  async close(): Promise<void> {
    this.#closing = true;
    // Clients that have just said goodbye are heard first, instead of being told off.
    await sleep(goodbyeMs);
    const waiting = this.#queue;
    this.#queue = [];
    for (const client of waiting) this.#cutOff(client, shuttingDown);
    for (const client of new Set(this.#clients)) if (!client.batch) this.#cutOff(client, shuttingDown);
    await Promise.race([this.#idle(), sleep(drainMs)]);
    for (const client of this.#clients) client.end(shuttingDown);
    clearInterval(this.#timer);
    await this.#host.close(this.#running !== null || this.#holder !== null);
  }

  // ---- who runs next

  #proceed(): void {
    const { engine } = this.#host;
    if (!engine || this.#running || this.#dumping) return;
    const waiting = this.#holder ? [this.#holder].filter((holder) => holder.batch) : this.#queue;
    if (waiting.length === 0) {
      if (!this.#holder) this.#wakeIdle();
      return;
    }
    const now = monotonicMs();
    const checkpoint = !this.#holder && now - this.#checkpointAt > checkpointMs;
    if (checkpoint) this.#checkpointAt = now;
    const { items, taken } = groupOf(waiting, {
      loaded: this.#loaded,
      engineNumber: this.#host.number,
      staleStatements: this.#staleStatements.splice(0),
      channels: this.#channels.catchUp(),
      checkpoint,
    });
    if (!this.#holder) this.#queue = this.#queue.slice(taken);
    this.#run(engine, items);
  }

  #run(engine: Engine, items: readonly Item[]): void {
    this.#running = { items, revokedAfter: null };
    engine.run(
      items.map(({ purpose, parts }) => ({
        kind: purpose === 'batch' ? 'client' : purpose === 'switch' ? 'switch' : 'chore',
        length: parts.reduce((sum, part) => sum + part.length, 0),
      })),
      items.flatMap((item) => item.parts),
    );
    this.#watch();
  }

  /** Undoes the holder's transaction after it has left. */
  #rollBack(): void {
    const { engine } = this.#host;
    if (!engine) return;
    // The first message aborts what has not come to its Sync; after an error only the Sync is heeded.
    this.#run(engine, [
      { purpose: 'rollback', parts: [query('rollback'), sync, query('rollback')], ran: false },
    ]);
  }

  /** Puts those back at the head of the queue whose items did not run. */
  #requeue(run: Running, from: number): void {
    const clients = run.items.slice(from).flatMap((item) => (item.purpose === 'batch' ? [item.client] : []));
    const waiting = clients.filter((client) => client.batch && client !== this.#holder);
    if (waiting.length > 0) this.#queue = [...waiting, ...this.#queue];
  }

  /** Resolves when nothing runs and nobody waits. */
  async #idle(): Promise<void> {
    while (this.#running || this.#holder || this.#host.replacing || this.#queue.length > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle.push(resolve);
      });
    }
  }

  #wakeIdle(): void {
    for (const wake of this.#onIdle.splice(0)) wake();
  }

  // ---- what comes back

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
    for (const [name, value] of result.parameters) this.#parameters.set(name, value);
    if (result.last) {
      this.#running = null;
      if (run.revokedAfter === null) this.#requeue(run, result.index + 1);
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
        this.#loaded = { ...this.#loaded, unnamed: item.unnamed && !result.error ? item.client : null };
        break;
      case 'rollback':
        this.#holder = null;
        this.#loaded = loadedAfter(item.purpose, this.#loaded);
        break;
      case 'tidy':
      case 'checkpoint':
        this.#loaded = loadedAfter(item.purpose, this.#loaded);
        break;
      default:
        item satisfies never;
    }
    if (result.last) this.#proceed();
  }

  #onSwitched(client: Client, after: Loaded, error: Uint8Array | undefined): void {
    if (!error) {
      if (this.#loaded.owner !== after.owner) this.#loaded.owner?.lose(this.#loaded.residues);
      this.#loaded = after;
      this.#expected = new Map(this.#parameters);
      return;
    }
    this.#queue = this.#queue.filter((other) => other !== client);
    const fields = readReport(error);
    const message = fields.get('M') ?? 'unknown error';
    // What a connection begins with is its own mistake; later on it is the database that has changed.
    this.#cutOff(
      client,
      client.batch === setUpOnly
        ? { severity: 'FATAL', code: fields.get('C') ?? 'XX000', message }
        : notRestored(message),
    );
  }

  #onBatch(client: Client, result: ItemResult): void {
    const { batch } = client;
    const consequences = client.settle(result);
    if (this.#clients.has(client)) this.#channels.set(client, client.session.channels);
    if (consequences.deallocateAll) {
      this.#staleStatements.push(...client.statements.engineNames());
      client.statements.clear();
    }
    if (client.busy) {
      if (this.#holder !== client) this.#heldSince = monotonicMs();
      this.#holder = client;
    } else {
      if (this.#holder === client) this.#holder = null;
      const residues = new Set([...this.#loaded.residues, ...consequences.residues]);
      const sets = batch?.steps.some((step) => step.effects.length > 0) ?? false;
      // A function has changed what only SET should.
      if (!sets && this.#parametersChanged()) residues.add('settings');
      this.#expected = new Map(this.#parameters);
      this.#loaded = {
        key: consequences.reload ? null : client.session.key,
        residues,
        owner: residues.size > 0 ? client : null,
        unnamed: this.#loaded.unnamed,
      };
    }
    if (result.error || batch?.unnamed === 'dropped') this.#loaded = { ...this.#loaded, unnamed: null };
    else if (batch?.unnamed === 'parsed') this.#loaded = { ...this.#loaded, unnamed: client };
    this.#deliver(client, result);
    client.proceed();
    if (this.#holder === client && !this.#clients.has(client) && !this.#running) this.#rollBack();
  }

  #parametersChanged(): boolean {
    for (const [name, value] of this.#parameters) if (this.#expected.get(name) !== value) return true;
    return false;
  }

  /** Hands out a result and what the engine was notified of: to the client itself ahead of its ReadyForQuery. */
  #deliver(client: Client, { bytes, status, notifications }: ItemResult): void {
    const end = status === null ? bytes.length : bytes.length - readyForQueryBytes;
    if (notifications.length === 0) {
      client.output(bytes);
      return;
    }
    client.output(bytes.subarray(0, end));
    for (const [channel, payload] of notifications) {
      for (const listener of this.#channels.listeners(channel)) {
        listener.notify(client.processId, channel, payload);
      }
    }
    client.output(bytes.subarray(end));
  }

  // ---- the watchdog

  /** Looks after timeouts for as long as there is something that can time out. */
  #watch(): void {
    this.#timer ??= setInterval(() => {
      if (this.#running || this.#holder || this.#queue.length > 0) {
        this.#tick(monotonicMs());
      } else {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
    }, tickMs);
  }

  #tick(now: number): void {
    if (this.#host.engine && this.#running) this.#tickRunning(this.#host.engine, this.#running, now);
    const holder = this.#holder;
    if (holder && !holder.batch && this.#clients.has(holder)) {
      const limits = [this.#options.idleInTransactionTimeoutMs, holder.session.idleTimeoutMs];
      const limit = Math.min(...limits.filter((ms) => ms > 0));
      if (now - holder.heardAt > limit) this.#cutOff(holder, idleInTransaction(limit));
    }
    const late = this.#queue.filter((client) => now - client.submittedAt > this.#options.queueTimeoutMs);
    if (late.length === 0) return;
    this.#queue = this.#queue.filter((client) => !late.includes(client));
    const since = holder ? this.#heldSince : (this.#host.engine?.control.startedAt ?? now);
    for (const client of late) {
      const report = waitedTooLong(now - since);
      if (client.batch === setUpOnly) this.#cutOff(client, { ...report, severity: 'FATAL' });
      else client.fail(report);
    }
  }

  #tickRunning(engine: Engine, run: Running, now: number): void {
    const { control } = engine;
    const position = control.position;
    const elapsed = now - control.startedAt;
    if (
      elapsed > patienceMs &&
      position >= 0 &&
      position + 1 < run.items.length &&
      control.revoke(position)
    ) {
      run.revokedAfter = position;
      this.#requeue(run, position + 1);
    }
    const item = run.items[run.revokedAfter ?? position];
    if (item?.purpose !== 'batch') return;
    const { client } = item;
    const timeoutMs = client.timeoutMs;
    const report = client.cancelRequested
      ? cancelled
      : timeoutMs > 0 && elapsed > timeoutMs
        ? statementTimeout
        : undefined;
    const idleLimit = this.#options.idleInTransactionTimeoutMs;
    if (control.waiting === 'input') {
      if (report) client.stopCopying(report.message);
      else if (now - client.heardAt > idleLimit) client.stopCopying(copyStalled(idleLimit));
    } else if (control.waiting === 'output' && now - this.#readAt > idleLimit) {
      client.destroy();
      this.#options.onEvent({ kind: 'client-ended', code: notRead.code, message: notRead.message });
    } else if (report && this.#host.recovers) {
      this.#host.replace(report, report.message);
    }
  }

  // ---- another engine

  #onUp(engine: Engine): void {
    this.#parameters = new Map(engine.parameters);
    this.#expected = engine.parameters;
    this.#proceed();
  }

  #onFailed(report: Report): void {
    this.#failed = report;
    for (const client of new Set(this.#clients)) this.#cutOff(client, report);
    this.#wakeIdle();
  }

  /** Answers what ran when the engine ended, and forgets what it held. */
  #onDown(engine: Engine, report: Report): void {
    const run = this.#running;
    const holder = this.#holder;
    this.#running = null;
    this.#holder = null;
    this.#loaded.owner?.lose(this.#loaded.residues);
    this.#loaded = untouched;
    this.#channels.forgetEngine();
    this.#staleStatements = [];
    const position = run?.revokedAfter ?? engine.control.position;
    if (run && run.revokedAfter === null) this.#requeue(run, position + 1);
    for (const [index, item] of (run?.items ?? []).entries()) {
      if (item.ran || index > position || !('client' in item)) continue;
      if (index < position) this.#cutOff(item.client, outcomeUnknown);
      // Its settings ended the engine: not to be tried again.
      else if (item.purpose !== 'batch') this.#cutOff(item.client, { ...report, severity: 'FATAL' });
      else if (item.client !== holder) item.client.fail(report);
      else item.client.output(errorResponse(report));
    }
    if (holder && this.#clients.has(holder)) this.#cutOff(holder, sessionLost);
  }

  #cutOff(client: Client, report: Report): void {
    client.end(report);
    client.drop();
    if (report === shuttingDown) return;
    this.#options.onEvent({ kind: 'client-ended', code: report.code, message: report.message });
  }
}

interface Running {
  readonly items: readonly Item[];
  /** The items after this one were taken back. */
  revokedAfter: number | null;
}

/** ReadyForQuery: type, length, status. */
const readyForQueryBytes = 6;

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

import type { Socket } from 'node:net';
import type { Findings } from '../engine/backend-scanner.ts';
import { batchOf, setUpOnly } from './batch.ts';
import type { Analyse, Batch, Portals } from './batch.ts';
import { monotonicMs } from '../engine/monotonic.ts';
import { PreparedStatements } from './client-statements.ts';
import { residueLost } from './reports.ts';
import { SessionState } from './session-state.ts';
import type { Consequences, Executed, Setting } from './session-state.ts';
import type { Residue } from '../sql/sql-text.ts';
import {
  ProtocolViolation,
  copyFail,
  errorResponse,
  frontend,
  noticeResponse,
  notificationResponse,
  readyForQuery,
} from '../wire.ts';
import type { Frame, FrameReader, Report, TransactionStatus } from '../wire.ts';

/** The part of the scheduler that a client calls. */
export interface Executor {
  /** Queues `client.batch`, which must be set. */
  submit(client: Client): void;
  /** Passes on more messages for the client's running COPY FROM STDIN. */
  feed(client: Client, parts: readonly Uint8Array[]): void;
  /** The client has gone and has no batch left. Called once. */
  leave(client: Client): void;
}

/** Bytes that a client may send before its earlier batches have run. Beyond this its socket is not read. */
const largestBacklog = 16 * 1024 * 1024;
/** Bytes of COPY data that may be on their way to the engine. */
const largestUnconsumed = 4 * 1024 * 1024;
/** A batch of the extended protocol that grows beyond this is begun before its Sync has come. */
const largestBuilding = 4 * 1024 * 1024;
/**
 * Bytes of answers and notifications that a client may leave unread before it is cut off, so that it cannot
 * fill the memory.
 */
const largestUnread = 256 * 1024 * 1024;
/** Time that a client that was cut off has to read the reason. */
const farewellMs = 1000;

/**
 * One connection after its startup. It cuts the client's messages into batches, one of which runs at a time,
 * and keeps the client's own part of the engine's session. The scheduler decides who runs when.
 */
export class Client {
  readonly id: number;
  /** The identity that BackendKeyData gave the client; a CancelRequest must bring both parts. */
  readonly processId: number;
  readonly secret: number;
  readonly session: SessionState;
  readonly statements: PreparedStatements;
  /** The batch that waits or runs. */
  batch: Batch | null = null;
  /** Moments, as `monotonicMs`, when the batch was handed over and when the client was last heard of. */
  submittedAt = 0;
  heardAt = monotonicMs();
  status: TransactionStatus = 'I';
  /** Between the batches of one extended query sequence, before its Sync. */
  open = false;
  cancelRequested = false;
  /** The batch need not run, and is answered once it waits for its turn. */
  withdrawRequested = false;
  /** The number of the engine's start that has the client's prepared statements. 0: the client needs none. */
  engineNumber = 0;
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #executor: Executor;
  readonly #analyse: Analyse;
  readonly #portals: Portals = new Map();
  #building: Frame[] = [];
  #buildingBytes = 0;
  #copying = false;
  #feeding: Uint8Array[] = [];
  #unconsumed = 0;
  #lost = new Set<Residue>();
  #onSetUp: (() => void) | undefined;
  #failed = false;
  #skipping = false;
  #deaf = false;
  #left = false;

  /** `reader` holds the bytes that the socket sent after the startup packet. */
  constructor(
    socket: Socket,
    reader: FrameReader,
    identity: { readonly id: number; readonly processId: number; readonly secret: number },
    startup: readonly Setting[],
    executor: Executor,
    analyse: Analyse,
  ) {
    this.#socket = socket;
    this.#reader = reader;
    this.id = identity.id;
    this.processId = identity.processId;
    this.secret = identity.secret;
    this.session = new SessionState(startup);
    this.statements = new PreparedStatements(`c${identity.id}_`);
    this.#executor = executor;
    this.#analyse = analyse;
  }

  /** The client is in a transaction, or before the Sync of what it began: no other client can run. */
  get busy(): boolean {
    return this.open || this.status !== 'I';
  }

  /** The socket is closed, so no client reads the answers. */
  get gone(): boolean {
    return this.#socket.destroyed;
  }

  /**
   * Milliseconds that a statement may take; zero: any time. If one batch has several values, the longest
   * counts.
   */
  get timeoutMs(): number {
    return this.session.timeoutMs(this.batch?.timeouts ?? []);
  }

  /** Submits a batch that only sets the session up. `onDone` writes the client's greeting. */
  setUp(onDone: () => void): void {
    this.#onSetUp = onDone;
    this.#submit(setUpOnly);
  }

  receive(chunk: Buffer): void {
    if (this.#deaf) return;
    this.heardAt = monotonicMs();
    this.#reader.push(chunk);
    this.proceed();
  }

  /** The socket was closed. Messages that came before are still carried out, as in Postgres. */
  disconnected(): void {
    if (this.#copying) this.#endCopying(copyFail('the client went away'));
    this.proceed();
  }

  /** Handles the messages that have arrived. */
  proceed(): void {
    try {
      while (!this.#deaf && (!this.batch || (this.#copying && this.#unconsumed < largestUnconsumed))) {
        const frame = this.#reader.next();
        if (!frame) break;
        if (this.#copying) this.#copyFrame(frame);
        else this.#frame(frame);
      }
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error;
      this.end({ severity: 'FATAL', code: error.code, message: error.message });
    }
    this.#flushFeed();
    if (this.#deaf) this.#leaveIfDone();
    else if (this.batch && this.#reader.pending > largestBacklog) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
    if (this.gone) this.#leaveIfDone();
  }

  /** Passes whole messages on. `onRead` is called when the client has taken them, or never will. */
  output(bytes: Uint8Array, onRead?: () => void): void {
    if (this.#lost.size > 0 && bytes.length > 0) {
      this.#socket.write(noticeResponse(residueLost(this.#lost)));
      this.#lost.clear();
    }
    if (this.#socket.writableLength > largestUnread) this.#socket.destroy();
    if (bytes.length === 0 || this.gone || this.#socket.writableEnded) onRead?.();
    else this.#socket.write(bytes, onRead && (() => onRead()));
  }

  /** The engine asks for the client's COPY data. */
  startCopying(): void {
    if (this.gone || this.#deaf) {
      this.#endCopying(copyFail('the client went away'));
      return;
    }
    this.#copying = true;
    this.#unconsumed = 0;
    this.heardAt = monotonicMs();
    this.proceed();
  }

  /** Ends a COPY that waits for data, with an error. */
  stopCopying(reason: string): void {
    if (this.#copying) this.#endCopying(copyFail(reason));
  }

  consumed(bytes: number): void {
    this.#unconsumed -= bytes;
    if (this.#copying) this.proceed();
  }

  notify(senderProcessId: number, channel: string, payload: string): void {
    this.output(notificationResponse(senderProcessId, channel, payload));
  }

  /** Has the client warned with its next answer that this state of its session is gone. */
  lose(residues: Iterable<Residue>): void {
    for (const residue of residues) if (warned.has(residue)) this.#lost.add(residue);
  }

  /** Records how the batch ended, after its answer went through `output`. The caller calls `proceed` next. */
  settle(findings: Findings): Consequences {
    const batch = this.batch ?? setUpOnly;
    const { status } = findings;
    // After an error in an open sequence the engine stays silent until Sync.
    const steps = this.#failed
      ? []
      : findings.error
        ? batch.steps.slice(0, findings.acks.length)
        : batch.steps;
    const failed = this.#failed || findings.error !== undefined;
    const executed: Executed[] = [];
    let execution = 0;
    for (const step of steps) {
      const tag = step.ack === 'C' ? findings.tags[execution++] : undefined;
      for (const effect of step.effects) executed.push({ effect, tag });
      if (step.prepares) this.statements.add(step.prepares.name, step.prepares.prepared);
      if (step.closes !== undefined) this.statements.delete(step.closes);
    }
    if (batch.unnamed === 'dropped') this.statements.delete('');
    const consequences = this.session.record(executed, status, failed);
    this.#release(status ?? this.status, status === null && batch !== setUpOnly, failed);
    if (batch === setUpOnly) this.#onSetUp?.();
    return consequences;
  }

  /**
   * Answers the batch with an error, in place of the engine's result or of the rest of it. The client stays
   * connected.
   */
  fail(report: Report): void {
    const skipsToSync = this.batch?.open === true;
    this.output(errorResponse(report));
    if (!skipsToSync) this.output(readyForQuery('I'));
    this.session.record([], 'I', true);
    this.#release('I', false, false);
    this.#skipping = skipsToSync;
    this.proceed();
  }

  /** Cuts the client off. A batch that waits is dropped; a batch that runs goes on without a reader. */
  end(report: Report): void {
    if (this.#deaf) return;
    this.#deaf = true;
    this.#building = [];
    if (!this.gone) {
      this.output(errorResponse(report));
      this.#socket.end();
      setTimeout(() => this.#socket.destroy(), farewellMs).unref();
    }
    if (this.#copying) this.#endCopying(copyFail(report.message));
  }

  /** Drops the batch, answered or not. The client leaves if it has no more work. */
  drop(): void {
    this.#release(this.status, this.open, this.#failed);
    this.#leaveIfDone();
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  #release(status: TransactionStatus, open: boolean, failed: boolean): void {
    this.batch = null;
    this.#copying = false;
    this.cancelRequested = false;
    this.withdrawRequested = false;
    this.status = status;
    this.open = open;
    this.#failed = open && failed;
    if (!this.busy) this.#portals.clear();
    this.heardAt = monotonicMs();
  }

  #frame(frame: Frame): void {
    const { type } = frame;
    if (type === frontend.terminate) {
      this.#deaf = true;
      this.#socket.end();
      return;
    }
    // Messages left over from a COPY that failed; Postgres ignores them, too.
    if (type === frontend.copyData || type === frontend.copyDone || type === frontend.copyFail) return;
    if (!known.has(type)) {
      throw new ProtocolViolation(`invalid frontend message type ${type}`);
    }
    if (this.#skipping) {
      if (type !== frontend.sync) return;
      this.#skipping = false;
      this.output(readyForQuery('I'));
      return;
    }
    if (type === frontend.flush && this.#building.length === 0 && !this.open) return;
    this.#building.push(frame);
    this.#buildingBytes += frame.bytes.length;
    if (ending.has(type) || this.#buildingBytes > largestBuilding) {
      const frames = this.#building;
      this.#building = [];
      this.#buildingBytes = 0;
      this.#submit(batchOf(frames, this.statements, this.#portals, this.#analyse));
    }
  }

  #submit(batch: Batch): void {
    this.batch = batch;
    this.submittedAt = monotonicMs();
    this.#executor.submit(this);
  }

  #copyFrame(frame: Frame): void {
    switch (frame.type) {
      case frontend.copyData:
      // The engine ignores these two during a COPY; libpq sends a Sync before it knows that a COPY runs.
      case frontend.flush:
      case frontend.sync:
        this.#feed(frame.bytes);
        return;
      case frontend.copyDone:
      case frontend.copyFail:
        this.#feed(frame.bytes);
        this.#copying = false;
        return;
      default: {
        // Postgres would end the session, but here all clients share it, so only the COPY ends.
        this.#feed(copyFail('unexpected message during COPY FROM STDIN'));
        this.#copying = false;
        throw new ProtocolViolation(`unexpected message type ${frame.type} during COPY FROM STDIN`);
      }
    }
  }

  #endCopying(fail: Uint8Array): void {
    this.#copying = false;
    this.#feed(fail);
    this.#flushFeed();
  }

  #feed(part: Uint8Array): void {
    this.#feeding.push(part);
    this.#unconsumed += part.length;
  }

  #flushFeed(): void {
    if (this.#feeding.length === 0) return;
    this.#executor.feed(this, this.#feeding);
    this.#feeding = [];
  }

  #leaveIfDone(): void {
    if (this.#left || this.batch) return;
    this.#left = true;
    this.#deaf = true;
    this.#executor.leave(this);
  }
}

const warned: ReadonlySet<Residue> = new Set(['temporary tables', 'open cursors', 'settings']);

const ending: ReadonlySet<number> = new Set([
  frontend.query,
  frontend.sync,
  frontend.flush,
  frontend.functionCall,
]);

const known: ReadonlySet<number> = new Set([
  ...ending,
  frontend.parse,
  frontend.bind,
  frontend.describe,
  frontend.execute,
  frontend.close,
]);

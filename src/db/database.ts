import type { Readable } from 'node:stream';
import { OperationalError } from '../operational-error.ts';
import type { Statement, StatementResult } from './statement.ts';

/**
 * Settings that hold for one transaction, by name, e.g. `role`, `app.tenant_id`. auth/claims.ts makes those of
 * a requester.
 */
export type TransactionSettings = Readonly<Record<string, string>>;

/** The ways in which a transaction differs from the usual one. */
export interface TransactionMode {
  /** Null: the connection's own isolation level. */
  readonly isolationLevel: IsolationLevel | null;
  /** With `rollback` nothing that succeeded is kept. Deferred constraints are checked as before a commit. */
  readonly end: 'commit' | 'rollback';
}

export type IsolationLevel = 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable';

/** Runs statements on one connection, in order. */
export interface Executor {
  query<Row = Record<string, unknown>>(statement: Statement): Promise<StatementResult<Row>>;
}

/** A transaction's executor. Nested work runs in savepoints. */
export interface Transaction extends Executor {
  /** Runs `work` in a savepoint. When `work` throws, its changes are undone and the transaction goes on. */
  savepoint<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /**
   * Feeds a `copy ... from stdin` from a stream of bytes in the format that the command names. Returns the
   * number of rows stored.
   */
  copyFrom(text: string, source: Readable): Promise<number>;
}

/**
 * A Postgres database. node-postgres reaches embedded and server databases alike (the embedded one over its own
 * Unix socket), so there is one implementation, and one conformance suite that runs on both.
 *
 * All methods reject with node-postgres' DatabaseError when Postgres refuses something, with
 * DatabaseUnavailable when no connection could be had, and with ConnectionLost when the connection ended before
 * the answer.
 */
export interface Database extends Executor {
  readonly kind: 'embedded' | 'server';
  /**
   * Runs one statement under the settings: both in one implicit transaction and one round trip. Statements that
   * cannot share a transaction with others (`vacuum`, `create database`) go through `query`.
   */
  queryWith<Row = Record<string, unknown>>(
    settings: TransactionSettings,
    statement: Statement,
  ): Promise<StatementResult<Row>>;
  /**
   * Runs statements one after the other under the settings, in one transaction and one round trip. Returns
   * their results in order. When one fails, none takes effect, and the statements after it are not tried. With
   * a `mode` the transaction is explicit, and a statement that fails costs a second round trip.
   */
  batch(
    settings: TransactionSettings,
    statements: readonly Statement[],
    mode?: TransactionMode,
  ): Promise<readonly StatementResult<unknown>[]>;
  /**
   * Runs several statements in one explicit transaction under the settings. Rolls back when `work` throws. An
   * isolation level other than the connection's own has to be passed here: once the settings are made, Postgres
   * refuses another one.
   */
  transaction<T>(
    settings: TransactionSettings,
    work: (transaction: Transaction) => Promise<T>,
    isolationLevel?: IsolationLevel,
  ): Promise<T>;
  /**
   * Calls `onPayload` for every NOTIFY on the channel, until the returned function is called. All channels
   * share one connection. When that connection is lost, it is made anew and `onGap` is called: notifications
   * may have been missed, so the caller has to look for itself. LISTEN does not work behind a pooler; there
   * `onGap` is called every second.
   */
  listen(
    channel: string,
    onPayload: (payload: string) => void,
    onGap?: (cause: GapCause) => void,
  ): Promise<() => Promise<void>>;
  /**
   * The moment (as `Date.now()`) since when notifications go unheard because the listening connection was lost.
   * Null: they are heard, or nothing listens.
   */
  readonly deafSince: number | null;
  /**
   * The same database for a caller who may leave: once `left` aborts, the caller waits for no connection, its
   * running statement is cancelled (an embedded database only takes back one that waits for its turn), and the
   * methods reject with CallerLeft. What was committed before stays.
   */
  until(left: AbortSignal): CallerDatabase;
  /** Makes new statements run on new connections. Connections in use finish their work first. */
  renewConnections(): void;
  /** The numbers of connections in use and idle, and of callers that wait for one. */
  poolState(): PoolState;
  /**
   * Waits for running statements, then closes every connection. Statements that still run after `withinMs` are
   * cancelled and cut off; without `withinMs`, each statement has only its own limit.
   */
  close(withinMs?: number): Promise<void>;
}

/** The part of a database that runs statements under a caller's settings. */
export type CallerDatabase = Pick<Database, 'queryWith' | 'batch' | 'transaction'>;

/**
 * The reason why notifications may have been missed: the connection was lost and is back, or LISTEN works on no
 * connection that can be had.
 */
export type GapCause = 'lost' | 'cannot-listen';

/** A snapshot of the pool's counters. */
export interface PoolState {
  readonly total: number;
  readonly idle: number;
  readonly waiting: number;
  /** Most connections that it opens. */
  readonly max: number;
  /** Callers that got no connection in time, since the pool was made. */
  readonly timeouts: number;
}

/**
 * No connection could be had. `unreachable`: the server is down or refuses connections. `busy`: every
 * connection of the pool stayed in use for too long.
 */
export class DatabaseUnavailable extends OperationalError {
  override name = 'DatabaseUnavailable';
  readonly reason: 'unreachable' | 'busy';

  constructor(message: string, options: ErrorOptions & { readonly reason?: 'unreachable' | 'busy' } = {}) {
    super(message, options);
    this.reason = options.reason ?? 'unreachable';
  }
}

/** The caller left before its statement was answered (`Database.until`): nobody waits for the result. */
export class CallerLeft extends OperationalError {
  override name = 'CallerLeft';

  constructor(options: ErrorOptions = {}) {
    super('the caller left before the database had answered', options);
  }
}

/**
 * A connection ended while it had an unanswered request, whose outcome is unknown. `cut`: the other side or the
 * network closed the connection. `silent`: no answer came in time (docs/waits.md), and we gave the connection
 * up.
 */
export class ConnectionLost extends OperationalError {
  override name = 'ConnectionLost';
  readonly reason: 'cut' | 'silent';

  constructor(message: string, options: ErrorOptions & { readonly reason: 'cut' | 'silent' }) {
    super(message, options);
    this.reason = options.reason;
  }
}

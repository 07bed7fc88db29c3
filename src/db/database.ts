import type { Readable } from 'node:stream';
import { OperationalError } from '../operational-error.ts';
import type { Statement, StatementResult } from './statement.ts';

/** Settings that hold for one transaction, by name, e.g. `role`, `app.tenant_id`. See session.ts for who makes them. */
export type TransactionSettings = Readonly<Record<string, string>>;

/** How a transaction differs from the usual one. */
export interface TransactionMode {
  /** Null: the connection's own. */
  readonly isolationLevel: IsolationLevel | null;
  /** With `rollback` nothing stays of what succeeded; deferred constraints are checked as before a commit. */
  readonly end: 'commit' | 'rollback';
}

export type IsolationLevel = 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable';

/** Runs statements on one connection, in order. */
export interface Executor {
  query<Row = Record<string, unknown>>(statement: Statement): Promise<StatementResult<Row>>;
}

/** A transaction's executor; nested work goes into savepoints. */
export interface Transaction extends Executor {
  /** Runs `work` in a savepoint: when it throws, what it did is undone and the transaction lives on. */
  savepoint<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** Feeds a `copy ... from stdin` from a stream of bytes in the format that the command names; gives back the rows stored. */
  copyFrom(text: string, source: Readable): Promise<number>;
}

/**
 * A Postgres database. Embedded and server databases are both reached by node-postgres (the embedded one over its own
 * Unix socket), so there is one implementation, and one conformance suite that runs on both.
 *
 * All methods reject with node-postgres' DatabaseError for what Postgres refuses, with DatabaseUnavailable when no connection
 * could be had, and with ConnectionLost when the connection ended before the answer.
 */
export interface Database extends Executor {
  readonly kind: 'embedded' | 'server';
  /**
   * Runs one statement under the settings: both in one implicit transaction and one round trip. Statements that may
   * not run in a transaction with others (`vacuum`, `create database`) go through `query`.
   */
  queryWith<Row = Record<string, unknown>>(
    settings: TransactionSettings,
    statement: Statement,
  ): Promise<StatementResult<Row>>;
  /**
   * Runs one statement after the other under the settings, in one transaction and one round trip; gives their results in
   * order. When one fails none has happened, and those behind it were not tried. A `mode` takes an explicit transaction:
   * a second round trip when a statement fails.
   */
  batch(
    settings: TransactionSettings,
    statements: readonly Statement[],
    mode?: TransactionMode,
  ): Promise<readonly StatementResult<unknown>[]>;
  /**
   * Runs several statements in one explicit transaction under the settings. Rolls back when `work` throws. An isolation level
   * other than the connection's own has to be given here: once the settings are made, Postgres refuses another one.
   */
  transaction<T>(
    settings: TransactionSettings,
    work: (transaction: Transaction) => Promise<T>,
    isolationLevel?: IsolationLevel,
  ): Promise<T>;
  /**
   * Calls `onPayload` for every NOTIFY on the channel, until the returned function is called. All channels share one
   * connection. When that connection is lost it is made anew and `onGap` is called: notifications may have been
   * missed, look again. Behind a pooler nobody can listen: then it is called every second.
   */
  listen(
    channel: string,
    onPayload: (payload: string) => void,
    onGap?: (cause: GapCause) => void,
  ): Promise<() => Promise<void>>;
  /** Since when (as `Date.now()`) notifications are not heard, because the connection that listens was lost; null: they are, or nobody listens. */
  readonly deafSince: number | null;
  /** From now on only connections made anew are used; those in use are finished with first. */
  renewConnections(): void;
  /** Connections in use, idle and waited for. */
  poolState(): PoolState;
  /**
   * Waits for what is running, then closes every connection. What still runs after `withinMs` is cancelled and cut off; without
   * it, each statement has its own limit only.
   */
  close(withinMs?: number): Promise<void>;
}

/** Why notifications may have been missed: the connection was lost and is back, or none can be had on which LISTEN works. */
export type GapCause = 'lost' | 'cannot-listen';

/** A snapshot of the pool's counters. */
export interface PoolState {
  readonly total: number;
  readonly idle: number;
  readonly waiting: number;
}

/**
 * No connection could be had. `unreachable`: the server is away or refuses; `busy`: every connection of the pool stayed in
 * use for too long.
 */
export class DatabaseUnavailable extends OperationalError {
  override name = 'DatabaseUnavailable';
  readonly reason: 'unreachable' | 'busy';

  constructor(message: string, options: ErrorOptions & { readonly reason?: 'unreachable' | 'busy' } = {}) {
    super(message, options);
    this.reason = options.reason ?? 'unreachable';
  }
}

/**
 * A connection ended while something was asked of it: whether that was done nobody knows. `cut`: the other side or the
 * network closed it; `silent`: nothing was heard in time (docs/waits.md), and we gave it up.
 */
export class ConnectionLost extends OperationalError {
  override name = 'ConnectionLost';
  readonly reason: 'cut' | 'silent';

  constructor(message: string, options: ErrorOptions & { readonly reason: 'cut' | 'silent' }) {
    super(message, options);
    this.reason = options.reason;
  }
}

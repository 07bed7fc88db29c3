import { Writable } from 'node:stream';
import { Client } from 'pg';
import type { ClientConfig, Connection } from 'pg';
import { cancelStatement } from './cancel-statement.ts';
import { wireOf } from './wire-connection.ts';

/** How long a connection may be waited for. docs/waits.md has the whole table. */
export interface ConnectionLimits {
  /** For a connection to be made: address, TCP, TLS and authentication together. In milliseconds. */
  readonly connectMs: number;
  /** What the server lets a statement take, its `statement_timeout`; 0: as long as it likes. */
  readonly statementTimeoutMs: number;
  /** How long the server may be silent beyond that. */
  readonly silenceMs: number;
  /** An embedded database shares one session out among its clients: it is neither asked nor told to cancel. */
  readonly kind: 'embedded' | 'server';
}

/** Looks after connections from when they are made until they end. */
export interface Watch {
  add(client: BoundedClient): void;
  delete(client: BoundedClient): void;
}

/** The goodbye to a server that does not close the connection. */
const goodbyeMs = 1_000;
/** The kernel asks an idle connection for a sign of life from then on, every second, and gives it up after ten. */
const keepAliveDelayMs = 10_000;

/**
 * node-postgres' client, each of whose waits ends: for the connection, for the answer to a query (`watch`), and for the
 * end. node-postgres' own `query_timeout` answers the caller and leaves the connection to whoever comes next, who then
 * waits behind the same query.
 */
export class BoundedClient extends Client {
  readonly #config: ClientConfig;
  readonly #limits: ConnectionLimits;

  /** @param watch of the pool, or of this connection alone */
  constructor(config: ClientConfig, limits: ConnectionLimits, watch: Watch) {
    const bounded = {
      ...config,
      connectionTimeoutMillis: limits.connectMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: keepAliveDelayMs,
    };
    super(bounded);
    this.#config = config;
    this.#limits = limits;
    this.once('connect', () => watch.add(this));
    this.once('end', () => watch.delete(this));
  }

  get config(): ClientConfig {
    return this.#config;
  }

  get limits(): ConnectionLimits {
    return this.#limits;
  }

  /** The pid of the server's process, or what a pooler told us in its place. */
  get processId(): number {
    return internalsOf(this).processID ?? 0;
  }

  /** What the server owes an answer to: the query, or null when it is its turn to be asked. */
  get unanswered(): object | null {
    const { readyForQuery, _activeQuery, _queryQueue } = internalsOf(this);
    // Between an error and the end of its batch there is no query, and nobody else is served either.
    return readyForQuery === true ? null : (_activeQuery ?? _queryQueue[0] ?? this);
  }

  /** Whether it is our turn: a COPY gets more as soon as its source has more. */
  get isFeeding(): boolean {
    const query = this.unanswered;
    return (
      query instanceof Writable &&
      !query.writableEnded &&
      wireOf(internalsOf(this).connection).stream.writableLength === 0
    );
  }

  /** Bytes that came and went so far. Only good for being compared. */
  get traffic(): number {
    const { bytesRead = 0, bytesWritten = 0 } = wireOf(internalsOf(this).connection).stream;
    return bytesRead + bytesWritten;
  }

  /** Whether a query can still be sent. */
  get usable(): boolean {
    const { _queryable, _ending } = internalsOf(this);
    return _queryable && !_ending;
  }

  /** Ends the connection at once. What is asked of it fails with `error`, and the server is told to stop working on it. */
  giveUp(error: Error): void {
    if (this.unanswered !== null && this.#limits.kind === 'server') void cancelStatement(internalsOf(this));
    wireOf(internalsOf(this).connection).stream.destroy(error);
  }

  // The pool gives a callback, everybody else awaits.
  override end(): Promise<void>;
  override end(callback: (error: Error) => void): void;
  override end(callback?: (error: Error) => void): Promise<void> | void {
    const { stream } = wireOf(internalsOf(this).connection);
    const timer = setTimeout(() => stream.destroy(), goodbyeMs);
    timer.unref();
    this.once('end', () => clearTimeout(timer));
    return callback ? super.end(callback) : super.end();
  }
}

/** What node-postgres' types leave out. */
interface ClientInternals {
  readonly connection: Connection;
  readonly host: string;
  readonly port: number;
  readonly processID: number | null;
  readonly secretKey: number | null;
  readonly readyForQuery?: boolean;
  readonly _activeQuery: object | null;
  readonly _queryQueue: readonly object[];
  readonly _queryable: boolean;
  readonly _ending: boolean;
}

function internalsOf(client: Client): ClientInternals {
  return client as unknown as ClientInternals;
}

import { Writable } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import { Client } from 'pg';
import type { ClientConfig, Connection } from 'pg';
import { cancelStatement } from './cancel-statement.ts';
import type { CancelTarget } from './cancel-statement.ts';
import { PlainFallback } from './plain-fallback.ts';
import { withoutTlsParameters } from './tls-parameters.ts';
import { isOptional } from './tls.ts';
import { wireOf } from './wire-connection.ts';

/** Limits on waiting for a connection. docs/waits.md has the whole table. */
export interface ConnectionLimits {
  /** Time to make a connection: address, TCP, TLS and authentication together. In milliseconds. */
  readonly connectMs: number;
  /** Time that the server gives a statement, its `statement_timeout`; 0: no limit. */
  readonly statementTimeoutMs: number;
  /** Time that the server may be silent beyond that. */
  readonly silenceMs: number;
  /**
   * An embedded database shares one session out among its clients, so it is never asked about a statement or
   * told to cancel one.
   */
  readonly kind: 'embedded' | 'server';
  /** The configuration names a pooler in between. Default: false. */
  readonly isBehindPooler?: boolean;
}

/** Watches connections from the moment they are made until they end. */
export interface Watch {
  add(client: BoundedClient): void;
  delete(client: BoundedClient): void;
}

/** Time that the server gets to close the connection after our goodbye. */
const goodbyeMs = 1_000;
/** Idle time before the kernel probes a connection. It probes every second, and gives up after ten probes. */
const keepAliveDelayMs = 10_000;

/**
 * node-postgres' client with a bound on each wait: for the connection, for the answer to a query (`watch`), and
 * for the end. node-postgres' own `query_timeout` answers the caller and leaves the connection to the next
 * caller, who then waits behind the same query.
 */
export class BoundedClient extends Client {
  readonly #config: ClientConfig;
  readonly #limits: ConnectionLimits;
  #retired = false;

  /** @param watch the pool's, or one for this connection alone */
  constructor(config: ClientConfig, limits: ConnectionLimits, watch: Watch) {
    const keepAlive = { keepAlive: true, keepAliveInitialDelayMillis: keepAliveDelayMs };
    const { connectionString, ssl = false } = config;
    const bounded = {
      ...config,
      // What a URL says about TLS is in `ssl`, and without `ssl` a variable of libpq's would decide.
      ...(connectionString !== undefined && { connectionString: withoutTlsParameters(connectionString) }),
      ssl,
      connectionTimeoutMillis: limits.connectMs,
      ...keepAlive,
    };
    // @types/pg leaves `connection` out.
    const orPlain = isOptional(ssl) && { connection: new PlainFallback({ ssl, ...keepAlive }) };
    super({ ...bounded, ...orPlain });
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

  /** The pid of the server's process, or the number that a pooler gave us in its place. */
  get processId(): number {
    return internalsOf(this).processID ?? 0;
  }

  /** The query that the server has not answered, or null when the server waits for a query. */
  get unanswered(): object | null {
    const { readyForQuery, _activeQuery, _queryQueue } = internalsOf(this);
    // Between an error and the end of its batch no query is active, but the connection serves no other query
    // yet.
    return readyForQuery === true ? null : (_activeQuery ?? _queryQueue[0] ?? this);
  }

  /** Whether we are the side that sends: a COPY continues as soon as its source has more data. */
  get isFeeding(): boolean {
    const query = this.unanswered;
    return (
      query instanceof Writable &&
      !query.writableEnded &&
      wireOf(internalsOf(this).connection).stream.writableLength === 0
    );
  }

  /** Bytes received and sent so far. Only meaningful in comparisons. */
  get traffic(): number {
    const { bytesRead = 0, bytesWritten = 0 } = wireOf(internalsOf(this).connection).stream;
    return bytesRead + bytesWritten;
  }

  /**
   * Asks the server to cancel the running statement; an embedded database only takes back one that waits. Returns
   * whether the request can no longer hit a later statement. Never rejects.
   */
  cancel(): Promise<boolean> {
    return cancelStatement(this.#cancelTarget, this.#limits.kind === 'server' ? 'cancel' : 'withdraw');
  }

  get #cancelTarget(): CancelTarget {
    const { host, port, processID, secretKey, ssl } = internalsOf(this);
    return { host, port, processID, secretKey, tls: this.isEncrypted ? ssl : false };
  }

  /** Whether the connection has TLS. Under `prefer` that is known once it is made. */
  get isEncrypted(): boolean {
    return 'encrypted' in wireOf(internalsOf(this).connection).stream;
  }

  /** Has the pool close the connection when its user returns it. */
  retire(): void {
    this.#retired = true;
  }

  /** Whether `retire` was called. */
  get isRetired(): boolean {
    return this.#retired;
  }

  /**
   * Whether a query can still be sent. Messages that arrived in one piece with the one that made us destroy the stream
   * are handled before node-postgres hears of its end.
   */
  get usable(): boolean {
    const { _queryable, _ending, connection } = internalsOf(this);
    return _queryable && !_ending && !wireOf(connection).stream.destroyed;
  }

  /**
   * Ends the connection at once. Its open queries fail with `error`, and the server is told to stop working on
   * them.
   */
  giveUp(error: Error): void {
    if (this.unanswered !== null && this.#limits.kind === 'server') void cancelStatement(this.#cancelTarget);
    wireOf(internalsOf(this).connection).stream.destroy(error);
  }

  // The pool passes a callback; all other callers await.
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

/** The members that node-postgres' types leave out. */
interface ClientInternals {
  readonly connection: Connection;
  readonly host: string;
  readonly port: number;
  readonly processID: number | null;
  readonly secretKey: number | null;
  readonly ssl: boolean | ConnectionOptions;
  readonly readyForQuery?: boolean;
  readonly _activeQuery: object | null;
  readonly _queryQueue: readonly object[];
  readonly _queryable: boolean;
  readonly _ending: boolean;
}

function internalsOf(client: Client): ClientInternals {
  return client as unknown as ClientInternals;
}

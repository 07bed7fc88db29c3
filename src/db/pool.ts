import { DatabaseError, Pool } from 'pg';
import type { ClientBase, ClientConfig, PoolClient, PoolConfig } from 'pg';
import { BoundedClient } from './bounded-client.ts';
import type { ConnectionLimits } from './bounded-client.ts';
import { ConnectionWatch } from './connection-watch.ts';
import { CallerLeft, ConnectionLost, DatabaseUnavailable } from './database.ts';
import type { PoolState } from './database.ts';
import { millisecondsOf } from './duration.ts';
import { isWorkedOn } from './is-worked-on.ts';
import { findLink } from './pooler.ts';
import type { Link, PoolerMode } from './pooler.ts';
import { isWithin } from '../within.ts';
import { splitSettings } from './session-settings.ts';

/** Settings of a pool of connections. Defaults are in src/config/options.ts. */
export interface PoolOptions {
  /** A `postgres://` URL. The embedded database's URL names its socket directory as `host`. */
  readonly connectionString: string;
  readonly ssl?: PoolConfig['ssl'];
  readonly applicationName: string;
  /** Connections that are kept open when idle. */
  readonly size: number;
  /** Connections above `size` that may be opened under load. They are closed again when idle. */
  readonly overflow: number;
  /** How long a caller waits for a connection when all are busy. */
  readonly waitMs: number;
  /** Most of the pool, in percent, that the requests of one tenant use at once. Default: 100. */
  readonly tenantPercent?: number | undefined;
  /** How long making a new connection may take. */
  readonly connectMs: number;
  /** Age at which a connection is replaced. */
  readonly recycleSeconds: number;
  /** How long a connection above `size` stays open unused. By default 10 s. */
  readonly idleMs?: number | undefined;
  /** `statement_timeout` of every connection, unless the connection string has one; 0 for none. */
  readonly statementTimeoutMs: number;
  /** The kind of pooler in front of the server. Default: `off`, none. */
  readonly pooler?: PoolerMode | undefined;
  /**
   * How long the server may be silent beyond a statement's limit before the connection is given up. Default: 5
   * s.
   */
  readonly silenceMs?: number | undefined;
  /** How often the listening connection notifies itself. Default: 12 s. */
  readonly echoMs?: number | undefined;
  /** Where to listen, if elsewhere than where statements go, such as past a pooler. */
  readonly listen?: Pick<PoolOptions, 'connectionString' | 'ssl'> | undefined;
  /**
   * False: no statement is kept prepared on a connection, for poolers that pass a connection on to other
   * clients. Default: true.
   */
  readonly preparedStatements?: boolean | undefined;
}

const defaultSilenceMs = 5_000;
/**
 * How long a client of an embedded database waits for its turn, beyond its statement
 * (EmbeddedOptions.queueTimeoutMs).
 */
const embeddedTurnMs = 30_000;
/** Time for callers to return their connections after they were cut off. They get their error at once. */
const cutOffMs = 1_000;

/**
 * node-postgres' pool with its two gaps filled: every wait of a connection ends, and a rested connection is
 * pinged before use.
 */
export class ConnectionPool {
  /**
   * Settings that hold on every connection. Where nothing outlives a transaction, they are set in each
   * transaction.
   */
  readonly transactionSettings: Readonly<Record<string, string>>;
  readonly #pool: Pool;
  readonly #waitMs: number;
  readonly #pooler: PoolerMode;
  readonly #silenceMs: number;
  readonly #restedSince = new WeakMap<PoolClient, number>();
  /** Connections made before the last `renew` are closed instead of used. */
  #outdated = new WeakSet<PoolClient>();
  readonly #all = new Set<PoolClient>();
  #timeouts = 0;
  /** The links of connections that do not lead to a session of their own. */
  readonly #links = new WeakMap<PoolClient, Link>();

  constructor(kind: 'embedded' | 'server', options: PoolOptions, onError: (error: Error) => void) {
    this.#waitMs = options.waitMs;
    this.#pooler = options.pooler ?? 'off';
    const target = passableConnection(options);
    this.transactionSettings = target.settings;
    this.#silenceMs = options.silenceMs ?? defaultSilenceMs;
    const limits = connectionLimits(kind, options);
    const watch = new ConnectionWatch(isWorkedOn);
    this.#pool = new Pool({
      ...target.config,
      min: options.size,
      max: options.size + options.overflow,
      idleTimeoutMillis: options.idleMs ?? 10_000,
      connectionTimeoutMillis: options.waitMs,
      maxLifetimeSeconds: options.recycleSeconds,
      Client: class extends BoundedClient {
        constructor(config: ClientConfig) {
          super(config, limits, watch);
        }
      },
      // Runs before a caller gets the connection. Each connection is asked, since one address may lead to a
      // server today and to a pooler tomorrow.
      onConnect: async (client: ClientBase) => {
        const link = await linkOf(client, options, target.settings);
        if (link !== 'session') this.#links.set(client as PoolClient, link);
      },
    } as unknown as PoolConfig);
    // An idle connection that dies is replaced at the next use. Without this listener it would end the process.
    this.#pool.on('error', onError);
    // A connection that dies in a caller's hands fails the caller's statement. Between two statements, and
    // after a failed statement before the release, the caller has no listener, and that would end the process
    // as well.
    this.#pool.on('connect', (client) => {
      client.on('error', () => {});
      this.#all.add(client);
    });
    this.#pool.on('remove', (client) => void this.#all.delete(client));
  }

  /**
   * Returns a connection for the caller alone, until `release`. Rejects with DatabaseUnavailable, after
   * `waitMs` at the latest, and with CallerLeft as soon as `left` aborts.
   */
  async acquire(left: AbortSignal | null = null): Promise<PoolClient> {
    try {
      const client = await (left === null ? this.#pool.connect() : this.#connectUntil(left));
      return this.#isFresh(client) ? client : await this.#acquireInPlaceOf(client);
    } catch (error) {
      throw error instanceof DatabaseUnavailable || error instanceof CallerLeft
        ? error
        : this.#unavailable(error);
    }
  }

  /** node-postgres' queue cannot be left, so a connection that comes after all is passed on to the next in it. */
  async #connectUntil(left: AbortSignal): Promise<PoolClient> {
    if (left.aborted) throw new CallerLeft();
    // An idle connection that nobody waits for comes at once.
    if (this.#pool.idleCount > this.#pool.waitingCount) return this.#pool.connect();
    const connecting = this.#pool.connect();
    let leave = (): void => {};
    const leaving = new Promise<never>((_resolve, reject) => {
      leave = () => reject(new CallerLeft());
    });
    left.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([connecting, leaving]);
    } catch (error) {
      if (error instanceof CallerLeft) returnLate(connecting);
      throw error;
    } finally {
      left.removeEventListener('abort', leave);
    }
  }

  /** Takes a connection back. `failure`, the error of its last statement, decides whether it is used again. */
  release(client: PoolClient, failure: unknown = null): void {
    this.#restedSince.set(client, Date.now());
    if (failure instanceof ConnectionLost && failure.reason === 'silent') this.#distrust(client);
    const { isRetired, usable } = client as unknown as BoundedClient;
    client.release(isRetired || !usable || failure instanceof ConnectionLost || endsConnection(failure));
  }

  /**
   * Returns the connection itself when it turns out to be good, or another one. node-postgres would begin
   * `waitMs` anew for each.
   */
  async #acquireInPlaceOf(doubtful: PoolClient): Promise<PoolClient> {
    const by = performance.now() + this.#waitMs;
    let client = doubtful;
    while (!this.#isFresh(client) && !(await this.#answers(client))) {
      client.release(true);
      const connecting = this.#pool.connect();
      if (!(await isWithin(by - performance.now(), connecting))) {
        returnLate(connecting);
        throw this.#busy();
      }
      client = await connecting;
    }
    return client;
  }

  /** Whether a connection can be used without a ping. A ping at each use would cost a round trip. */
  #isFresh(client: PoolClient): boolean {
    const restedSince = this.#restedSince.get(client);
    const hasRested = restedSince !== undefined && Date.now() - restedSince >= this.#silenceMs;
    return !hasRested && !this.#outdated.has(client);
  }

  async #answers(client: PoolClient): Promise<boolean> {
    if (this.#outdated.has(client)) return false;
    const answer = client.query('select 1').then(
      () => true,
      () => false,
    );
    if ((await isWithin(this.#silenceMs, answer)) && (await answer)) return true;
    this.#distrust(client);
    return false;
  }

  /**
   * Replaces all connections made before this one failed, without a wait for each: the cause of one silence has
   * silenced others.
   */
  #distrust(client: PoolClient): void {
    if (!this.#outdated.has(client)) this.renew();
  }

  /** Makes new statements run on new connections. Connections in use finish their work first. */
  renew(): void {
    this.#outdated = new WeakSet(this.#all);
  }

  /** Where a connection of this pool leads. */
  linkOf(client: PoolClient): Link {
    return this.#links.get(client) ?? 'session';
  }

  /** Whether the answer came from another server process than the one that the connection was made to. */
  isStranger(client: PoolClient, pid: number | undefined): boolean {
    return (
      this.#pooler === 'auto' && pid !== (client as PoolClient & { readonly processID: number }).processID
    );
  }

  /** Records that the connection does not lead to a session of its own. */
  noteLostSession(client: PoolClient): void {
    this.#links.set(client, 'transaction');
  }

  get state(): PoolState {
    const { totalCount, idleCount, waitingCount, options } = this.#pool;
    return {
      total: totalCount,
      idle: idleCount,
      waiting: waitingCount,
      max: options.max,
      timeouts: this.#timeouts,
    };
  }

  /** node-postgres' own pool, for libraries that take one (graphile-worker). Only `close` closes it. */
  get raw(): Pool {
    return this.#pool;
  }

  /**
   * Waits for running statements, `withinMs` at most, and closes every connection. Statements that run longer
   * are cancelled and cut off. Call it once.
   */
  async close(withinMs: number | null = null): Promise<void> {
    const ended = this.#pool.end();
    if (withinMs === null) return ended;
    if (await isWithin(withinMs, ended)) return;
    for (const client of this.#all) {
      (client as unknown as BoundedClient).giveUp(
        new ConnectionLost('the database is being closed', { reason: 'cut' }),
      );
    }
    // Callers that hold a connection return it now, or never will.
    await isWithin(cutOffMs, ended);
  }

  #unavailable(error: unknown): DatabaseUnavailable {
    const reason = error instanceof Error ? error.message : String(error);
    return reason === 'timeout exceeded when trying to connect'
      ? this.#busy(error)
      : new DatabaseUnavailable(`cannot connect to the database: ${reason}`, { cause: error });
  }

  #busy(cause?: unknown): DatabaseUnavailable {
    this.#timeouts += 1;
    const { total, waiting } = this.state;
    return new DatabaseUnavailable(
      `no connection became free within ${this.#waitMs / 1000} s (${total} open, ${waiting} others waiting)`,
      { cause, reason: 'busy' },
    );
  }
}

/** Passes a connection on that nobody waits for any longer. */
function returnLate(connecting: Promise<PoolClient>): void {
  connecting.then(
    (late) => late.release(),
    () => {},
  );
}

/** node-postgres' options for one connection, for connections outside of a pool. */
export function connectionConfig(options: PoolOptions): ClientConfig {
  return {
    connectionString: options.connectionString,
    ...(options.ssl === undefined ? {} : { ssl: options.ssl }),
    application_name: options.applicationName,
    ...(options.statementTimeoutMs > 0 ? { statement_timeout: options.statementTimeoutMs } : {}),
  };
}

/** The options for a connection that a pooler lets pass, and the settings that the connection needs. */
export interface PassableConnection {
  readonly config: ClientConfig;
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * The same for connections that may lead to a pooler. Poolers refuse startup parameters, so the settings are
 * returned apart. With `off` the settings are startup parameters.
 */
export function passableConnection(options: PoolOptions): PassableConnection {
  if ((options.pooler ?? 'off') === 'off') return { config: connectionConfig(options), settings: {} };
  const { connectionString, settings } = splitSettings(options.connectionString);
  const { statementTimeoutMs } = options;
  return {
    config: connectionConfig({ ...options, connectionString, statementTimeoutMs: 0 }),
    settings: {
      ...(statementTimeoutMs > 0 ? { statement_timeout: String(statementTimeoutMs) } : {}),
      ...settings,
    },
  };
}

/** Asks a new connection where it leads. Rejects when the server is silent. */
export async function linkOf(
  client: ClientBase,
  { pooler = 'off', silenceMs = defaultSilenceMs }: Pick<PoolOptions, 'pooler' | 'silenceMs'>,
  settings: Readonly<Record<string, string>>,
): Promise<Link> {
  if (pooler === 'off') return 'session';
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      reject,
      silenceMs,
      new Error(`the server did not answer on a new connection within ${silenceMs / 1000} s`),
    );
  });
  try {
    return await Promise.race([findLink(client, pooler, settings), silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** Limits on waiting for a connection with these options. */
export function connectionLimits(
  kind: 'embedded' | 'server',
  {
    connectionString,
    connectMs,
    statementTimeoutMs,
    silenceMs = defaultSilenceMs,
    pooler = 'off',
  }: Pick<PoolOptions, 'connectionString' | 'connectMs' | 'statementTimeoutMs' | 'silenceMs' | 'pooler'>,
): ConnectionLimits {
  const ownTimeout = splitSettings(connectionString).settings['statement_timeout'] ?? '';
  return {
    kind,
    isBehindPooler: pooler !== 'off' && pooler !== 'auto',
    connectMs,
    statementTimeoutMs: millisecondsOf(ownTimeout) ?? statementTimeoutMs,
    silenceMs: silenceMs + (kind === 'embedded' ? embeddedTurnMs : 0),
  };
}

/** A connection outside of a pool, with a bound on each wait. It is not connected yet, and the caller ends it. */
export function boundedClient(config: ClientConfig, limits: ConnectionLimits): BoundedClient {
  return new BoundedClient(config, limits, new ConnectionWatch(isWorkedOn));
}

/** Whether the server closes the connection after this error, so that no other caller may get it. */
export function endsConnection(error: unknown): boolean {
  return (
    error instanceof DatabaseError && (error.severity === 'FATAL' || error.code?.startsWith('57P') === true)
  );
}

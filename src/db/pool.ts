import { Client, DatabaseError, Pool } from 'pg';
import type { ClientBase, ClientConfig, PoolClient, PoolConfig } from 'pg';
import { DatabaseUnavailable } from './database.ts';
import { findLink } from './pooler.ts';
import type { Link, PoolerMode } from './pooler.ts';
import { splitSettings } from './session-settings.ts';

/** How a pool of connections behaves. Defaults are in src/config.ts. */
export interface PoolOptions {
  /** A `postgres://` URL; the embedded database's names its socket directory as `host`. */
  readonly connectionString: string;
  readonly ssl?: PoolConfig['ssl'];
  readonly applicationName: string;
  /** Connections that are kept open when idle. */
  readonly size: number;
  /** Connections above `size` that may be opened under load; closed again when idle. */
  readonly overflow: number;
  /** How long a caller waits for a connection when all are busy. */
  readonly waitMs: number;
  /** How long a new connection may take to be made. */
  readonly connectMs: number;
  /** After this age a connection is replaced. */
  readonly recycleSeconds: number;
  /** How long a connection above `size` stays open unused. By default 10 s. */
  readonly idleMs?: number | undefined;
  /** `statement_timeout` of every connection, unless the connection string has one; 0 for none. */
  readonly statementTimeoutMs: number;
  /** What stands between us and the server. By default `off`: nothing. */
  readonly pooler?: PoolerMode | undefined;
  /** False: nothing is kept prepared on a connection, for poolers that hand a connection to somebody else. By default true. */
  readonly preparedStatements?: boolean | undefined;
}

/** An idle connection is asked whether it still answers once it has rested this long: at each use it would cost a round trip. */
const pingAfterIdleMs = 5_000;
const pingTimeoutMs = 5_000;

/** node-postgres' pool with what it lacks: a limit of its own for connecting, and a ping before rested connections are used. */
export class ConnectionPool {
  /** What is to hold on every connection, and has to be set in each transaction where nothing outlives one. */
  readonly transactionSettings: Readonly<Record<string, string>>;
  readonly #pool: Pool;
  readonly #waitMs: number;
  readonly #pooler: PoolerMode;
  readonly #restedSince = new WeakMap<PoolClient, number>();
  /** Connections made before the last `renew` are closed instead of used. */
  #outdated = new WeakSet<PoolClient>();
  readonly #all = new Set<PoolClient>();
  /** Of those that lead elsewhere than to a session of their own. */
  readonly #links = new WeakMap<PoolClient, Link>();

  constructor(options: PoolOptions, onError: (error: Error) => void) {
    this.#waitMs = options.waitMs;
    this.#pooler = options.pooler ?? 'off';
    const target = connectionTarget(options);
    this.transactionSettings = target.settings;
    this.#pool = new Pool({
      ...target.config,
      min: options.size,
      max: options.size + options.overflow,
      idleTimeoutMillis: options.idleMs ?? 10_000,
      connectionTimeoutMillis: options.waitMs,
      maxLifetimeSeconds: options.recycleSeconds,
      // The pool's own limit covers waiting and connecting together; the client's covers connecting.
      Client: class extends Client {
        constructor(config?: ClientConfig) {
          super({ ...config, connectionTimeoutMillis: options.connectMs });
        }
      },
      // Before anybody gets it: each connection, since behind one address there may be a server today, a pooler tomorrow.
      onConnect: async (client) => {
        const link = await linkOf(client, options, target.settings);
        if (link !== 'session') this.#links.set(client as PoolClient, link);
      },
    } as PoolConfig);
    // An idle connection that dies is replaced at the next use; without a listener it would end the process.
    this.#pool.on('error', onError);
    // One that dies in a caller's hands fails the caller's statement; between two statements, or after the statement
    // failed and before the release, nobody listens, and that would end the process, too.
    this.#pool.on('connect', (client) => {
      client.on('error', () => {});
      this.#all.add(client);
    });
    this.#pool.on('remove', (client) => void this.#all.delete(client));
  }

  /** A connection for the caller alone, until `release`. Rejects with DatabaseUnavailable. */
  async acquire(): Promise<PoolClient> {
    for (;;) {
      let client: PoolClient;
      try {
        client = await this.#pool.connect();
      } catch (error) {
        throw this.#unavailable(error);
      }
      if (this.#outdated.has(client)) {
        client.release(true);
        continue;
      }
      const restedSince = this.#restedSince.get(client);
      if (restedSince === undefined || Date.now() - restedSince < pingAfterIdleMs) return client;
      if (await answers(client)) return client;
      client.release(true);
    }
  }

  /** Gives a connection back; `broken` closes it instead. */
  release(client: PoolClient, broken = false): void {
    this.#restedSince.set(client, Date.now());
    client.release(broken);
  }

  /** From now on only connections made anew are used; those in use are finished with first. */
  renew(): void {
    this.#outdated = new WeakSet(this.#all);
  }

  /** Where a connection of this pool leads to. */
  linkOf(client: PoolClient): Link {
    return this.#links.get(client) ?? 'session';
  }

  /** Whether another process of the server answered than the one that the connection was made to. */
  isStranger(client: PoolClient, pid: number | undefined): boolean {
    return (
      this.#pooler === 'auto' && pid !== (client as PoolClient & { readonly processID: number }).processID
    );
  }

  /** The connection turned out not to lead to a session of its own. */
  noteLostSession(client: PoolClient): void {
    this.#links.set(client, 'transaction');
  }

  get state(): { total: number; idle: number; waiting: number } {
    return { total: this.#pool.totalCount, idle: this.#pool.idleCount, waiting: this.#pool.waitingCount };
  }

  /** node-postgres' own pool, for libraries that take one (graphile-worker). It is closed by `close` only. */
  get raw(): Pool {
    return this.#pool;
  }

  close(): Promise<void> {
    return this.#pool.end();
  }

  #unavailable(error: unknown): DatabaseUnavailable {
    const reason = error instanceof Error ? error.message : String(error);
    const { total, waiting } = this.state;
    return reason === 'timeout exceeded when trying to connect'
      ? new DatabaseUnavailable(
          `no connection became free within ${this.#waitMs / 1000} s (${total} open, ${waiting} others waiting)`,
          { cause: error, reason: 'busy' },
        )
      : new DatabaseUnavailable(`cannot connect to the database: ${reason}`, { cause: error });
  }
}

/** What node-postgres needs to make one connection of these options; for connections outside of a pool. */
export function connectionConfig(options: PoolOptions): ClientConfig {
  return {
    connectionString: options.connectionString,
    ...(options.ssl === undefined ? {} : { ssl: options.ssl }),
    application_name: options.applicationName,
    ...(options.statementTimeoutMs > 0 ? { statement_timeout: options.statementTimeoutMs } : {}),
    keepAlive: true,
  };
}

/** How to make a connection that a pooler lets pass, and the settings that it is to have. */
export interface PassableConnection {
  readonly config: ClientConfig;
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * The same for connections that may lead to a pooler, which refuses startup parameters: the settings are apart. With
 * `off` they are startup parameters.
 */
export function connectionTarget(options: PoolOptions): PassableConnection {
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

/** Asks a new connection where it leads to, for as long as making it may take. Rejects when it does not answer. */
export async function linkOf(
  client: ClientBase,
  { pooler = 'off', connectMs }: Pick<PoolOptions, 'pooler' | 'connectMs'>,
  settings: Readonly<Record<string, string>>,
): Promise<Link> {
  if (pooler === 'off') return 'session';
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(reject, connectMs, new Error('the server does not answer on a new connection'));
  });
  try {
    return await Promise.race([findLink(client, pooler, settings), silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether the server closes the connection after this error: it must not be given to anybody else. */
export function endsConnection(error: unknown): boolean {
  return (
    error instanceof DatabaseError && (error.severity === 'FATAL' || error.code?.startsWith('57P') === true)
  );
}

async function answers(client: PoolClient): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, pingTimeoutMs, false);
  });
  const answer = client.query('select 1').then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([answer, silence]);
  } finally {
    clearTimeout(timer);
  }
}

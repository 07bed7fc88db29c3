import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { Client } from 'pg';
import type { Pool } from 'pg';
import type { Config } from './config/config.ts';
import type { ConnectionEvent } from './db/connection-event.ts';
import { isAway } from './db/connection-failure.ts';
import { withRole } from './db/connection-url.ts';
import { tlsOf } from './db/tls.ts';
import type { Tls } from './db/tls.ts';
import type { Database } from './db/database.ts';
import { DatabaseOpen, asDamage, embeddedConnectionString, startEmbedded } from './embedded/embedded.ts';
import type { EmbeddedEvent } from './embedded/embedded.ts';
import { examineDirectory } from './embedded/examine-directory.ts';
import { isListening } from './embedded/socket-file.ts';
import { ConnectionPool } from './db/pool.ts';
import type { PoolOptions } from './db/pool.ts';
import type { PoolerMode } from './db/pooler.ts';
import { PostgresDatabase } from './db/postgres.ts';
import { troubleOf } from './db/server-trouble.ts';
import { ServerTroubles } from './db/server-troubles.ts';
import { waitForServer } from './db/wait-for-server.ts';
import { logConnectionEvent } from './db/log-connection-event.ts';
import { roleName } from './db/roles.ts';
import type { Log, LogEntry } from './log.ts';
import { OperationalError } from './operational-error.ts';
import { sayWhileSlow } from './say-while-slow.ts';
import { prepareDatabase } from './setup/prepare-database.ts';

/** The connection string for each identity; on an embedded database all are the same. Null: not configured. */
export interface Connections {
  readonly kind: 'embedded' | 'server';
  readonly api: string | null;
  readonly migrate: string | null;
  readonly worker: string | null;
  /** The API's connection string for LISTEN; null: the same as `api`. */
  readonly listen: string | null;
  /** The kind of pooler in front of the API's connections. */
  readonly pooler: PoolerMode;
  /** TLS options for a connection to one of these URLs. */
  tls(url: string): Tls;
  /** The troubles of the server that this process met. */
  readonly troubles: ServerTroubles;
  /** Ends the embedded database if this process started it. */
  close(): Promise<void>;
}

/** A command needs an identity that the environment does not name, or a database that cannot be reached. */
export class ConnectionsError extends OperationalError {
  override name = 'ConnectionsError';
}

/** The embedded database does not exist, and the command does not make one. */
export class NoDatabase extends ConnectionsError {
  override name = 'NoDatabase';
}

/**
 * Finds the database of the configuration. An embedded database is started (and prepared) by this process. If
 * another process already runs it, `attach` decides: true uses that process's socket, and false refuses the
 * start. With `make: false`, a missing embedded database is not made: rejects with NoDatabase. A database in memory is made by
 * the process that serves it; with `attach` others use its socket, and reject with NoDatabase when none runs.
 */
export async function openConnections(
  config: Config,
  log: Log,
  { attach, make = true }: { attach: boolean; make?: boolean },
): Promise<Connections> {
  if (config.useDatabase && config.server) {
    const { url, pooler, listenUrl, migrateUrl, workerUrl, tls } = config.server;
    return {
      kind: 'server',
      api: url?.reveal() ?? null,
      migrate: migrateUrl?.reveal() ?? null,
      worker: workerUrl?.reveal() ?? null,
      listen: listenUrl?.reveal() ?? null,
      pooler,
      tls: (to) => tlsOf(tls, to),
      troubles: new ServerTroubles(log),
      close: async () => {},
    };
  }
  if (!config.useDatabase && attach) return attachInMemory(config, log);
  if (!make) refuseToMake(config);
  if (!config.useDatabase) return startInMemory(config, log);
  return attach ? attachOrStart(config, log) : startOnDisk(config, log);
}

/** Throws NoDatabase unless the embedded database exists, and as `examineDirectory` does. */
export function refuseToMake({ useDatabase, dataDirectory }: Config): void {
  if (!useDatabase) {
    throw new NoDatabase(
      'USE_DATABASE=false keeps nothing, so only the process that serves it has a database, and none with this DATA_DIR runs',
    );
  }
  // A damaged database is not a missing one.
  examineDirectory(dataDirectory);
  if (!databaseExists(dataDirectory)) {
    throw new NoDatabase(
      `there is no database in ${dataDirectory}: lightning start makes one; for one elsewhere set DATA_DIR, for a server DATABASE_URL, ` +
        'in the environment or in .env',
    );
  }
}

function databaseExists(dataDirectory: string): boolean {
  return existsSync(path.join(dataDirectory, 'postgres', 'PG_VERSION'));
}

/**
 * How long to wait for a process that has the directory to listen: a first start takes seconds, and so may a
 * recovery.
 */
const attachWaitMs = 30_000;

/** Connects through the socket of the process that runs the database, or becomes that process. */
async function attachOrStart(config: Config, log: Log): Promise<Connections> {
  const until = performance.now() + attachWaitMs;
  for (;;) {
    if (await isListening(config.dataDirectory)) {
      return embeddedConnections(embeddedConnectionString(config.dataDirectory), log, async () => {});
    }
    try {
      return await startOnDisk(config, log);
    } catch (error) {
      // Another process has the directory but does not listen: it is starting or ending.
      if (!(error instanceof DatabaseOpen) || performance.now() >= until) throw error;
    }
  }
}

/** The logins that a part of a process connects as, in the order in which it needs them. */
export type NeededLogin = 'migrate' | 'api' | 'worker';

const loginVariables: Readonly<Record<NeededLogin, string>> = {
  migrate: 'MIGRATE_DATABASE_URL',
  api: 'DATABASE_URL',
  worker: 'WORKER_DATABASE_URL',
};

/**
 * Waits for a server that is away at the start of a process, DB_START_WAIT_MS at most; see `waitForServer`. Does nothing
 * for an embedded database, and where a login is missing, which its user reports.
 */
export async function waitForLogins(
  connections: Connections,
  needed: readonly NeededLogin[],
  { pool }: Config,
  log: Log,
  signal?: AbortSignal,
): Promise<void> {
  if (connections.kind === 'embedded') return;
  const logins = needed.flatMap((kind) => {
    const url = connections[kind];
    const login = { variable: loginVariables[kind], connectionString: url ?? '' };
    return url === null ? [] : [{ ...login, ssl: connections.tls(url) }];
  });
  if (logins.length < needed.length) return;
  await waitForServer(logins, { withinMs: pool.startWaitMs, connectMs: pool.connectMs, log, signal });
}

/** The API's pool. The caller closes it before `connections`. Throws ConnectionsError without the API's login. */
export function apiDatabase(connections: Connections, config: Config, log: Log): Database {
  const { api, listen, pooler } = connections;
  if (api === null) {
    throw new ConnectionsError(
      'DATABASE_URL is missing; `lightning setup` prints it when it makes the login',
    );
  }
  const options: PoolOptions = {
    ...poolOptions(api, connections, config),
    pooler,
    ...(listen === null ? {} : { listen: { connectionString: listen, ssl: connections.tls(listen) } }),
  };
  return new PostgresDatabase(connections.kind, options, heard(connections, log));
}

/** One connection for a verification of the audit log, under that login. The caller closes it. */
export function auditorDatabase(url: string, connections: Connections, config: Config, log: Log): Database {
  // It reads the whole log, so the statement timeout of requests does not apply.
  const options = { ...poolOptions(url, connections, config), applicationName: 'agent_lightning audit' };
  return new PostgresDatabase(
    connections.kind,
    { ...options, size: 1, overflow: 0, statementTimeoutMs: 0 },
    heard(connections, log),
  );
}

/** A small pool for tenants, logins and imports, as the migrations' login. The caller closes it. */
export function operatorDatabase(connections: Connections, config: Config, log: Log): Database {
  if (connections.migrate === null) {
    throw new ConnectionsError(
      'MIGRATE_DATABASE_URL is missing; `lightning setup` prints it when it makes the login',
    );
  }
  // Imports and index builds take long, so the statement timeout of requests does not apply.
  const options = poolOptions(connections.migrate, connections, config);
  const pooler = connections.pooler === 'off' ? 'off' : 'auto';
  return new PostgresDatabase(
    connections.kind,
    { ...options, pooler, size: 1, overflow: 3, statementTimeoutMs: 0 },
    heard(connections, log),
  );
}

/** The worker's pool and its Database, as `<prefix>_worker`. `close` ends both. */
export function workerDatabase(
  connections: Connections,
  config: Config,
  log: Log,
): { pool: Pool; database: Database; close(withinMs?: number): Promise<void> } {
  if (connections.worker === null) {
    throw new ConnectionsError(
      'WORKER_DATABASE_URL is missing; `lightning setup` prints it when it makes the login',
    );
  }
  // The embedded worker vacuums. That takes the owner of the tables or a superuser, and on an embedded database
  // every connection is one.
  const url =
    connections.kind === 'embedded'
      ? connections.worker
      : withRole(connections.worker, roleName(config.rolePrefix, 'worker'));
  const options = {
    ...poolOptions(url, connections, config),
    applicationName: 'agent_lightning worker',
    statementTimeoutMs: 0,
  };
  const ownPool = new ConnectionPool(connections.kind, { ...options, size: 0, overflow: 4 }, (error) =>
    logConnectionEvent({ kind: 'idle-connection-lost', error }, log),
  );
  const pool = ownPool.raw;
  // Enough connections for the jobs, and some for leases and signs of life, which must get through beside them.
  const database = new PostgresDatabase(
    connections.kind,
    { ...options, size: 1, overflow: 6 },
    heard(connections, log),
  );
  return {
    pool,
    database,
    close: async (withinMs) => {
      await Promise.all([database.close(withinMs), ownPool.close(withinMs)]);
    },
  };
}

/** Passes the events of a database to the log, and the errors of its statements to those who watch over the server. */
function heard({ troubles }: Connections, log: Log): (event: ConnectionEvent) => void {
  return (event) => {
    if (event.kind === 'statement-failed') troubles.note(event.error);
    else logConnectionEvent(event, log);
  };
}

function poolOptions(connectionString: string, connections: Connections, { pool }: Config): PoolOptions {
  return { ...pool, connectionString, ssl: connections.tls(connectionString) };
}

async function startOnDisk(config: Config, log: Log): Promise<Connections> {
  const { dataDirectory } = config;
  const existed = databaseExists(dataDirectory);
  const doing = existed ? 'opening' : 'making';
  const embedded = await sayWhileSlow(log, `${doing} the embedded database in ${dataDirectory}`, () =>
    startEmbedded({ dataDirectory, onEvent: (event) => logEmbeddedEvent(event, log) }),
  );
  try {
    await sayWhileSlow(log, preparing, () => prepare(embedded.connectionString, config.rolePrefix));
  } catch (error) {
    // What is prepared stands in the catalog: where it cannot be read or written, the files are not whole.
    const isDamaged = existed && (troubleOf(error) !== null || isAway(error));
    await (isDamaged ? embedded.abandon() : embedded.close());
    throw isDamaged ? asDamage(dataDirectory, error) : error;
  }
  return embeddedConnections(embedded.connectionString, log, () => embedded.close());
}

/** Where the process that keeps everything in memory has its socket, so that commands with the same DATA_DIR find it. */
function memoryDirectory({ dataDirectory }: Config): string {
  return path.join(dataDirectory, 'in-memory');
}

/** Connects to the process that keeps everything in memory. Throws NoDatabase when none runs. */
async function attachInMemory(config: Config, log: Log): Promise<Connections> {
  const directory = memoryDirectory(config);
  if (!(await isListening(directory))) refuseToMake(config);
  return embeddedConnections(embeddedConnectionString(directory), log, async () => {});
}

async function startInMemory(config: Config, log: Log): Promise<Connections> {
  const directory = memoryDirectory(config);
  const embedded = await sayWhileSlow(log, 'making an embedded database in memory', () =>
    startEmbedded({
      dataDirectory: directory,
      storage: 'memory',
      onEvent: (event) => logEmbeddedEvent(event, log),
    }),
  );
  await sayWhileSlow(log, preparing, () => prepare(embedded.connectionString, config.rolePrefix));
  return embeddedConnections(embedded.connectionString, log, async () => {
    await embedded.close();
    await rm(directory, { recursive: true, force: true });
  });
}

const preparing = 'preparing roles and extensions of the embedded database';

async function prepare(connectionString: string, rolePrefix: string): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    await prepareDatabase(client, rolePrefix);
  } finally {
    await client.end();
  }
}

function embeddedConnections(url: string, log: Log, close: () => Promise<void>): Connections {
  return {
    kind: 'embedded',
    api: url,
    migrate: url,
    worker: url,
    listen: null,
    pooler: 'off',
    tls: () => false,
    troubles: new ServerTroubles(log),
    close,
  };
}

function logEmbeddedEvent(event: EmbeddedEvent, log: Log): void {
  const { kind, ...details } = event;
  const entry = (level: LogEntry['level'], message: string) =>
    log({ level, event: kind, message, ...details });
  switch (event.kind) {
    case 'engine-started':
      entry(
        'info',
        `embedded database ${event.created ? 'made' : 'opened'} in ${Math.round(event.durationMs)} ms`,
      );
      return;
    case 'engine-restarted':
      entry('warning', `embedded database restarted in ${Math.round(event.downMs)} ms: ${event.reason}`);
      return;
    case 'engine-failed':
      entry('error', `embedded database failed: ${event.reason}`);
      return;
    case 'client-refused':
    case 'client-ended':
      entry('warning', `${event.code}: ${event.message}`);
      return;
    case 'holder-died':
      entry('warning', `process ${event.pid} on host ${event.host} ended without closing the database`);
      return;
    default:
      event satisfies never;
  }
}

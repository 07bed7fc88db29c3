import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import type { ClientConfig, Pool } from 'pg';
import type { Config } from './config/config.ts';
import { tlsOf, withRole } from './db/connection-url.ts';
import type { Database } from './db/database.ts';
import { DatabaseOpen, embeddedConnectionString, startEmbedded } from './embedded/embedded.ts';
import type { EmbeddedEvent } from './embedded/embedded.ts';
import { isListening } from './embedded/socket-file.ts';
import { ConnectionPool } from './db/pool.ts';
import type { PoolOptions } from './db/pool.ts';
import type { PoolerMode } from './db/pooler.ts';
import { PostgresDatabase } from './db/postgres.ts';
import { logConnectionEvent } from './db/log-connection-event.ts';
import { roleName } from './db/roles.ts';
import type { Log, LogEntry } from './log.ts';
import { OperationalError } from './operational-error.ts';
import { withKeeper } from './retention/keeper.ts';
import type { AsKeeper } from './retention/keeper.ts';
import { prepareDatabase } from './setup/prepare-database.ts';

/** The connection string for each identity; on an embedded database all are the same. Null: not configured. */
export interface Connections {
  readonly kind: 'embedded' | 'server';
  readonly api: string;
  readonly migrate: string | null;
  readonly worker: string | null;
  /** The API's connection string for LISTEN; null: the same as `api`. */
  readonly listen: string | null;
  /** The kind of pooler in front of the API's connections. */
  readonly pooler: PoolerMode;
  /** TLS options for a connection to one of these URLs. */
  tls(url: string): ClientConfig['ssl'];
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
 * start. With `make: false`, a missing embedded database is not made: rejects with NoDatabase.
 */
export async function openConnections(
  config: Config,
  log: Log,
  { attach, make = true }: { attach: boolean; make?: boolean },
): Promise<Connections> {
  if (config.useDatabase && config.server) {
    const { url, pooler, listenUrl, migrateUrl, workerUrl, ssl } = config.server;
    return {
      kind: 'server',
      api: url.reveal(),
      migrate: migrateUrl?.reveal() ?? null,
      worker: workerUrl?.reveal() ?? null,
      listen: listenUrl?.reveal() ?? null,
      pooler,
      tls: (to) => tlsOf(ssl, to),
      close: async () => {},
    };
  }
  if (!make) refuseToMake(config);
  if (!config.useDatabase) return startInMemory(config, log);
  return attach ? attachOrStart(config, log) : startOnDisk(config, log);
}

/** Throws NoDatabase unless the embedded database exists. */
export function refuseToMake({ useDatabase, dataDirectory }: Config): void {
  if (!useDatabase) {
    throw new NoDatabase(
      'USE_DATABASE=false keeps nothing, so only the process that serves it has a database',
    );
  }
  if (!existsSync(path.join(dataDirectory, 'postgres', 'PG_VERSION'))) {
    throw new NoDatabase(
      `there is no database in ${dataDirectory}: lightning start makes one; for one elsewhere set DATA_DIR, for a server DATABASE_URL, ` +
        'in the environment or in .env',
    );
  }
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
      return embeddedConnections(embeddedConnectionString(config.dataDirectory), async () => {});
    }
    try {
      return await startOnDisk(config, log);
    } catch (error) {
      // Another process has the directory but does not listen: it is starting or ending.
      if (!(error instanceof DatabaseOpen) || performance.now() >= until) throw error;
    }
  }
}

/** The API's pool. The caller closes it before `connections`. */
export function apiDatabase(connections: Connections, config: Config, log: Log): Database {
  const { listen, pooler } = connections;
  const options: PoolOptions = {
    ...poolOptions(connections.api, connections, config),
    pooler,
    ...(listen === null ? {} : { listen: { connectionString: listen, ssl: connections.tls(listen) } }),
  };
  return new PostgresDatabase(connections.kind, options, (event) => logConnectionEvent(event, log));
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
    (event) => logConnectionEvent(event, log),
  );
}

/**
 * The worker's pool and its Database, as `<prefix>_worker`, and its way to become the keeper of partitions. `close`
 * ends both.
 */
export function workerDatabase(
  connections: Connections,
  config: Config,
  log: Log,
): { pool: Pool; database: Database; asKeeper: AsKeeper; close(withinMs?: number): Promise<void> } {
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
  const database = new PostgresDatabase(connections.kind, { ...options, size: 1, overflow: 6 }, (event) =>
    logConnectionEvent(event, log),
  );
  return {
    pool,
    database,
    asKeeper: (work) =>
      withKeeper(pool, connections.kind === 'embedded' ? null : roleName(config.rolePrefix, 'keeper'), work),
    close: async (withinMs) => {
      await Promise.all([database.close(withinMs), ownPool.close(withinMs)]);
    },
  };
}

function poolOptions(connectionString: string, connections: Connections, { pool }: Config): PoolOptions {
  return { ...pool, connectionString, ssl: connections.tls(connectionString) };
}

async function startOnDisk(config: Config, log: Log): Promise<Connections> {
  const embedded = await startEmbedded({
    dataDirectory: config.dataDirectory,
    onEvent: (event) => logEmbeddedEvent(event, log),
  });
  try {
    await prepare(embedded.connectionString, config.rolePrefix);
  } catch (error) {
    await embedded.close();
    throw error;
  }
  return embeddedConnections(embedded.connectionString, () => embedded.close());
}

async function startInMemory(config: Config, log: Log): Promise<Connections> {
  const directory = await mkdtemp(path.join(tmpdir(), 'lightning-'));
  const embedded = await startEmbedded({
    dataDirectory: directory,
    storage: 'memory',
    onEvent: (event) => logEmbeddedEvent(event, log),
  });
  await prepare(embedded.connectionString, config.rolePrefix);
  return embeddedConnections(embedded.connectionString, async () => {
    await embedded.close();
    await rm(directory, { recursive: true, force: true });
  });
}

async function prepare(connectionString: string, rolePrefix: string): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    await prepareDatabase(client, rolePrefix);
  } finally {
    await client.end();
  }
}

function embeddedConnections(url: string, close: () => Promise<void>): Connections {
  return {
    kind: 'embedded',
    api: url,
    migrate: url,
    worker: url,
    listen: null,
    pooler: 'off',
    tls: () => undefined,
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

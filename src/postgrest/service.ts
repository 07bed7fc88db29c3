import { DatabaseError } from 'pg';
import { OperationalError } from '../operational-error.ts';
import { makeRequesterIdentification } from './auth/identify-requester.ts';
import type { RequesterIdentification } from './auth/identify-requester.ts';
import { ConfigError } from '../config/parse-config.ts';
import type { Database } from '../db/database.ts';
import { passableConnection } from '../db/pool.ts';
import type { PoolOptions } from '../db/pool.ts';
import { PostgresDatabase } from '../db/postgres.ts';
import { ServerTroubles } from '../db/server-troubles.ts';
import type { ConnectionEvent } from '../db/connection-event.ts';
import type { Log, LogEntry } from '../log.ts';
import type { SchemaCache } from '../schema-cache/schema-cache.ts';
import { SchemaCacheWatcher } from '../schema-cache/watch.ts';
import type { PostgrestConfig } from './config.ts';
import type { ConnectionTarget } from './connection-target.ts';
import { readDatabaseSettings } from './database-settings.ts';
import { reachServer } from './reach-server.ts';

/** The parts of a service. */
export interface PostgrestServiceParts {
  readonly config: PostgrestConfig;
  readonly target: ConnectionTarget;
  /** Reads the configuration again, including its file, with the given settings of the database. Throws ConfigError. */
  readonly readConfig: (database: ReadonlyMap<string, string>) => PostgrestConfig;
  readonly log: Log;
  /** Called when the service cannot go on: the password is wrong, or the database is away and must not be waited for. */
  readonly onFatal: (error: Error) => void;
}

/** Counts of catalog loads, for the admin server. */
export interface LoadCounts {
  readonly succeeded: number;
  readonly failed: number;
  /** Duration of the last successful load, including the configuration in the database; null: none has succeeded. */
  readonly seconds: number | null;
}

/** The service cannot go on, and waiting would not help. */
export class ServiceFailed extends OperationalError {
  override name = 'ServiceFailed';
}

const firstRetryMs = 1_000;
const lastRetryMs = 32_000;

/**
 * Holds what requests are answered from (configuration, catalog, database) and renews it: on request, when the
 * channel is notified, and with growing pauses while the database is away (PostgREST, Connection Pool, Automatic
 * Recovery). `close` it.
 */
export class PostgrestService {
  /** Settles when the first attempt to reach and read the database has ended, whether or not it succeeded. */
  readonly attempted: Promise<void>;
  readonly #parts: PostgrestServiceParts;
  readonly #running: Promise<void>;
  readonly #closing = new AbortController();
  #config: PostgrestConfig;
  #identification: RequesterIdentification;
  #database: PostgresDatabase;
  #tls: ConnectionTarget['tls'][number];
  #watcher: SchemaCacheWatcher | null = null;
  #loads: LoadCounts = { succeeded: 0, failed: 0, seconds: null };
  #loadBegan = 0;
  readonly #troubles: ServerTroubles;
  #ready = false;
  #wake: () => void = () => {};

  constructor(parts: PostgrestServiceParts) {
    this.#parts = parts;
    this.#troubles = new ServerTroubles(parts.log);
    this.#config = parts.config;
    this.#identification = makeRequesterIdentification(parts.config.identification);
    this.#tls = parts.target.tls[0] ?? false;
    this.#database = this.#open();
    let attempted = (): void => {};
    this.attempted = new Promise((resolve) => {
      attempted = resolve;
    });
    this.#running = this.#begin(attempted);
  }

  get config(): PostgrestConfig {
    return this.#config;
  }

  get identification(): RequesterIdentification {
    return this.#identification;
  }

  /** The database for the next statement. Do not keep it: it may be replaced once the server was reached. */
  get database(): Database {
    return this.#database;
  }

  /** Null: it has not been read yet. */
  get schemaCache(): SchemaCache | null {
    return this.#loads.succeeded > 0 ? this.#ofConfig(this.#watcher?.current ?? null) : null;
  }

  get loads(): LoadCounts {
    return this.#loads;
  }

  /** Whether the catalog has been read, and nothing since has put it in doubt. */
  get isReady(): boolean {
    return this.#ready;
  }

  /** Reads configuration and catalog again; until then requests are answered from the previous ones. */
  reload(): void {
    this.#wake();
    void this.#watcher?.reload();
  }

  /** Waits for running statements, at most `withinMs`, then closes every connection. */
  async close(withinMs?: number): Promise<void> {
    this.#closing.abort();
    this.#wake();
    // The start may be waiting for the watcher.
    await this.#watcher?.close();
    await this.#running;
    await this.#database.close(withinMs);
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #begin(attempted: () => void): Promise<void> {
    for (let pauseMs = firstRetryMs; !this.#closed; pauseMs = Math.min(pauseMs * 2, lastRetryMs)) {
      try {
        await this.#connect();
        // The configuration says whose catalog to read, so it comes first: mistakes in the first configuration end
        // the start.
        await this.#renewConfig(true);
        if (this.#config.rest.preparedStatements !== this.#parts.config.rest.preparedStatements) {
          await this.#reopen();
        }
        break;
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        if (this.#closed) return;
        const message = `the database cannot be used: ${error.message}`;
        this.#failed(message);
        if (this.#isFatal(error)) {
          this.#parts.onFatal(
            error instanceof ConfigError ? error : new ServiceFailed(message, { cause: error }),
          );
          return;
        }
        attempted();
        this.#log('info', 'retry', `Attempting to reconnect to the database in ${pauseMs / 1000} seconds...`);
        await this.#pause(pauseMs);
      }
    }
    if (this.#closed) return;
    const { channel, channelEnabled } = this.#config.database;
    this.#watcher = new SchemaCacheWatcher(this.#database, {
      scope: () => this.#config.rest,
      channel: channelEnabled ? channel : null,
      beforeLoad: () => this.#renewConfig(false),
      onReloadConfig: () => this.reload(),
      onReplaced: () => this.#database.renewConnections(),
      log: (entry) => this.#watched(entry),
    });
    await this.#watcher.firstLoad;
    attempted();
  }

  async #connect(): Promise<void> {
    const { tls, version } = await reachServer(
      this.#parts.target,
      (kind) => passableConnection(this.#poolOptions(kind)).config,
      this.#closing.signal,
    );
    this.#log('info', 'connected', `Successfully connected to ${version}`);
    if (tls === this.#tls) return;
    this.#tls = tls;
    await this.#reopen();
  }

  /** Replaces the pool by one with other options; nothing uses the old one yet. */
  async #reopen(): Promise<void> {
    await this.#database.close();
    this.#database = this.#open();
  }

  /**
   * Adopts the options that may change while the process runs. Mistakes in a later configuration leave everything as
   * it was.
   */
  async #renewConfig(isFirst: boolean): Promise<void> {
    this.#loadBegan = performance.now();
    const settings = await this.#readSettings();
    let next: PostgrestConfig;
    try {
      next = this.#parts.readConfig(settings);
    } catch (error) {
      if (isFirst || !(error instanceof ConfigError)) throw error;
      this.#log('error', 'config-invalid', `the configuration stays as it was; ${error.message}`);
      return;
    }
    for (const warning of next.warnings) {
      if (!this.#config.warnings.includes(warning)) this.#log('warning', 'config', warning);
    }
    const previous = this.#config;
    const { server, admin, database } = this.#parts.config;
    const { automaticRecovery, configInDatabase, preConfig } = next.database;
    const { preparedStatements } = isFirst ? next.rest : this.#config.rest;
    this.#config = {
      ...next,
      rest: { ...next.rest, preparedStatements },
      server,
      admin,
      database: { ...database, automaticRecovery, configInDatabase, preConfig },
    };
    // Remembered tokens were judged by the old secret.
    if (!judgeAlike(next, previous)) this.#identification = makeRequesterIdentification(next.identification);
  }

  async #readSettings(): Promise<ReadonlyMap<string, string>> {
    const { configInDatabase, preConfig } = this.#config.database;
    if (!configInDatabase) return new Map();
    try {
      return await readDatabaseSettings(this.#database, preConfig);
    } catch (error) {
      // The function has a mistake in it, but the rest of the configuration is good.
      if (!(error instanceof DatabaseError)) throw error;
      const message = `the configuration in the database cannot be read: ${error.message}`;
      this.#log('error', 'database-config-failed', message);
      return new Map();
    }
  }

  /** Follows the watcher's loads through its log, the only place where it reports them. */
  #watched(entry: LogEntry): void {
    if (entry.event === 'schema-cache-loaded') {
      const seconds = (performance.now() - this.#loadBegan) / 1000;
      this.#loads = { ...this.#loads, succeeded: this.#loads.succeeded + 1, seconds };
      this.#ready = true;
    } else if (entry.event === 'schema-cache-failed') {
      this.#failed(null);
      if (!this.#config.database.automaticRecovery) this.#parts.onFatal(new ServiceFailed(entry.message));
    }
    if (!this.#closed) this.#parts.log(entry);
  }

  #failed(message: string | null): void {
    this.#ready = false;
    this.#loads = { ...this.#loads, failed: this.#loads.failed + 1 };
    if (message !== null) this.#log('error', 'database-failed', message);
  }

  /** Whether waiting cannot help: the password is wrong or missing. A missing role or database may still be created. */
  #isFatal(error: Error): boolean {
    return (
      !this.#config.database.automaticRecovery ||
      error instanceof ConfigError ||
      (error instanceof DatabaseError && error.code === '28P01') ||
      error.message.includes('client password must be a')
    );
  }

  /** Ends early when a reload is requested, and on close. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #ofWhich: SchemaCache | null = null;
  #withoutRoleSettings: SchemaCache | null = null;

  /**
   * The catalog for the current configuration: without the configuration in the database, roles have no settings
   * either, as in PostgREST.
   */
  #ofConfig(cache: SchemaCache | null): SchemaCache | null {
    if (cache === null || this.#config.database.configInDatabase) return cache;
    if (cache !== this.#ofWhich) {
      this.#ofWhich = cache;
      this.#withoutRoleSettings = { ...cache, roleSettings: new Map() };
    }
    return this.#withoutRoleSettings;
  }

  #open(): PostgresDatabase {
    return new PostgresDatabase('server', this.#poolOptions(this.#tls), (event) =>
      this.#connectionEvent(event),
    );
  }

  #connectionEvent(event: ConnectionEvent): void {
    switch (event.kind) {
      case 'statement-failed':
        if (!this.#closed) this.#troubles.note(event.error);
        return;
      case 'idle-connection-lost':
        this.#log('warning', event.kind, `an idle connection was lost: ${event.error.message}`);
        return;
      case 'listener-lost':
        // Not ready until the watcher has restored the listening connection and read the catalog again.
        this.#ready = false;
        this.#log('warning', event.kind, `the listening connection was lost: ${event.error.message}`);
        if (!this.#config.database.automaticRecovery) {
          this.#parts.onFatal(new ServiceFailed(event.error.message, { cause: event.error }));
        }
        return;
      case 'cannot-listen':
        this.#log(
          'warning',
          event.kind,
          'db-uri leads to a connection pooler, behind which LISTEN does not work: NOTIFY cannot ask for a reload, and ' +
            'changes of the schema are found by looking, every 5 s. Set db-channel-enabled = false if this is intended',
        );
        return;
      case 'listener-restored':
        this.#log('info', event.kind, `listening again after ${event.afterMs} ms`);
        return;
      default:
        event satisfies never;
    }
  }

  #poolOptions(tls: ConnectionTarget['tls'][number]): PoolOptions {
    const { target, config } = this.#parts;
    const { poolSize, poolWaitSeconds, poolMaxLifetimeSeconds, poolMaxIdleSeconds } = config.database;
    return {
      connectionString: target.connectionString,
      ssl: tls,
      applicationName: target.applicationName,
      size: 0,
      overflow: poolSize,
      waitMs: poolWaitSeconds * 1000,
      connectMs: target.connectMs,
      recycleSeconds: poolMaxLifetimeSeconds,
      idleMs: poolMaxIdleSeconds * 1000,
      statementTimeoutMs: 0,
      pooler: 'auto',
      preparedStatements: this.#config.rest.preparedStatements,
    };
  }

  #log(level: LogEntry['level'], event: string, message: string): void {
    if (!this.#closed) this.#parts.log({ level, event, message });
  }
}

/** Whether both configurations judge tokens the same way. */
function judgeAlike(one: PostgrestConfig, other: PostgrestConfig): boolean {
  const [a, b] = [one.identification, other.identification];
  return (
    one.jwtSecret?.reveal() === other.jwtSecret?.reveal() &&
    one.jwtSecretIsBase64 === other.jwtSecretIsBase64 &&
    a.audience === b.audience &&
    a.roleClaim.text === b.roleClaim.text &&
    a.anonymousRole === b.anonymousRole &&
    a.cacheMaxEntries === b.cacheMaxEntries
  );
}

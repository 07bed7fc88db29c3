import { pipeline } from 'node:stream/promises';
import type { Readable } from 'node:stream';
import { DatabaseError } from 'pg';
import type { PoolClient } from 'pg';
import { from as copyFromStdin } from 'pg-copy-streams';
import type { BoundedClient } from './bounded-client.ts';
import { CallerLeft, ConnectionLost, DatabaseUnavailable } from './database.ts';
import type {
  CallerDatabase,
  Database,
  GapCause,
  IsolationLevel,
  PoolState,
  Transaction,
  TransactionMode,
  TransactionSettings,
} from './database.ts';
import type { ConnectionEvent } from './connection-event.ts';
import { NotificationListener } from './listener.ts';
import { ConnectionPool } from './pool.ts';
import type { PoolOptions } from './pool.ts';
import type { Link } from './pooler.ts';
import { TenantShares } from './tenant-shares.ts';
import { namesPreparation } from './prepared-statements.ts';
import { beginOf, roundTrip } from './round-trip.ts';
import type { Batch } from './round-trip.ts';
import type { Statement, StatementResult } from './statement.ts';

/** A Database over node-postgres. It connects at first use, and its owner closes it. */
export class PostgresDatabase implements Database {
  readonly kind: 'embedded' | 'server';
  readonly #pool: ConnectionPool;
  readonly #listener: NotificationListener;
  readonly #prepare: boolean;
  readonly #shares: TenantShares;
  readonly #onEvent: (event: ConnectionEvent) => void;

  constructor(kind: 'embedded' | 'server', options: PoolOptions, onEvent: (event: ConnectionEvent) => void) {
    this.kind = kind;
    this.#onEvent = onEvent;
    this.#prepare = options.preparedStatements ?? true;
    const share = ((options.size + options.overflow) * (options.tenantPercent ?? 100)) / 100;
    this.#shares = new TenantShares(Math.max(1, Math.floor(share)), options.waitMs);
    this.#pool = new ConnectionPool(kind, options, (error) =>
      onEvent({ kind: 'idle-connection-lost', error }),
    );
    this.#listener = new NotificationListener(kind, listenOptions(options), onEvent);
  }

  query<Row>(statement: Statement): Promise<StatementResult<Row>> {
    return this.queryWith<Row>({}, statement);
  }

  queryWith<Row>(settings: TransactionSettings, statement: Statement): Promise<StatementResult<Row>> {
    return this.#queryWith(settings, statement, null);
  }

  batch(
    settings: TransactionSettings,
    statements: readonly Statement[],
    mode?: TransactionMode,
  ): Promise<readonly StatementResult<unknown>[]> {
    return this.#batch(settings, statements, mode ?? null, null);
  }

  transaction<T>(
    settings: TransactionSettings,
    work: (transaction: Transaction) => Promise<T>,
    isolationLevel?: IsolationLevel,
  ): Promise<T> {
    return this.#transaction(settings, work, isolationLevel ?? null, null);
  }

  until(left: AbortSignal): CallerDatabase {
    return {
      queryWith: <Row>(settings: TransactionSettings, statement: Statement) =>
        this.#queryWith<Row>(settings, statement, left),
      batch: (settings, statements, mode) => this.#batch(settings, statements, mode ?? null, left),
      transaction: (settings, work, isolationLevel) =>
        this.#transaction(settings, work, isolationLevel ?? null, left),
    };
  }

  async #queryWith<Row>(
    settings: TransactionSettings,
    statement: Statement,
    left: AbortSignal | null,
  ): Promise<StatementResult<Row>> {
    const [result] = await this.#batch(settings, [statement], null, left);
    return result as StatementResult<Row>;
  }

  async #batch(
    settings: TransactionSettings,
    statements: readonly Statement[],
    mode: TransactionMode | null,
    left: AbortSignal | null,
  ): Promise<readonly StatementResult<unknown>[]> {
    if (statements.length === 0) return [];
    const client = await this.#acquire(settings, left);
    let failure: unknown = null;
    try {
      const batch = this.#batchOn(client, { settings, statements, mode, prepare: this.#prepare });
      try {
        return await roundTrip(client, batch, left);
      } catch (error) {
        if (!batch.prepare || batch.link !== 'session' || !isAboutPreparation(error)) throw error;
        // The pooler looked like the server. The statement did not run, so it runs again without anything that
        // outlives a transaction.
        this.#pool.noteLostSession(client);
        return await roundTrip(client, this.#batchOn(client, batch), left);
      }
    } catch (error) {
      failure = asLoss(error, client);
      this.#onEvent({ kind: 'statement-failed', error });
      throw failure;
    } finally {
      this.#release(settings, client, failure);
    }
  }

  async #acquire(settings: TransactionSettings, left: AbortSignal | null): Promise<PoolClient> {
    const tenantId = tenantOf(settings);
    const turn = tenantId === null ? null : this.#shares.enter(tenantId, left);
    if (turn !== null) await turn;
    try {
      return await this.#pool.acquire(left);
    } catch (error) {
      if (tenantId !== null) this.#shares.leave(tenantId);
      // The server may have said that it has no connection left.
      if (error instanceof DatabaseUnavailable)
        this.#onEvent({ kind: 'statement-failed', error: error.cause });
      throw error;
    }
  }

  #release(settings: TransactionSettings, client: PoolClient, failure: unknown): void {
    const tenantId = tenantOf(settings);
    if (tenantId !== null) this.#shares.leave(tenantId);
    this.#pool.release(client, failure);
  }

  /** The batch in the form that this connection needs. */
  #batchOn(client: PoolClient, { settings, statements, mode, prepare }: Omit<Batch, 'role' | 'link'>): Batch {
    const all = this.#settingsOn(client, settings);
    const link = this.#pool.linkOf(client);
    return { settings: all, statements, mode, role: all['role'] ?? '', prepare, link };
  }

  async #transaction<T>(
    settings: TransactionSettings,
    work: (transaction: Transaction) => Promise<T>,
    isolationLevel: IsolationLevel | null,
    left: AbortSignal | null,
  ): Promise<T> {
    const client = await this.#acquire(settings, left);
    let failure: unknown = null;
    try {
      await client.query(beginOf(isolationLevel));
      const result = await work(await this.#beginWith(client, settings, left));
      if (left?.aborted === true) throw new CallerLeft();
      await client.query('commit');
      return result;
    } catch (error) {
      // A connection that cannot even roll back is of no further use. The caller gets the original error, not
      // this one.
      await client.query('rollback').catch((unable: unknown) => {
        failure =
          unable instanceof ConnectionLost
            ? unable
            : new ConnectionLost('the transaction cannot be rolled back', { reason: 'cut', cause: unable });
      });
      this.#onEvent({ kind: 'statement-failed', error });
      throw asLoss(error, client);
    } finally {
      this.#release(settings, client, failure);
    }
  }

  /** Applies the settings to a transaction that was begun, and checks that it runs on the expected session. */
  async #beginWith(
    client: PoolClient,
    settings: TransactionSettings,
    left: AbortSignal | null,
  ): Promise<Transaction> {
    const found = this.#pool.linkOf(client);
    const pid = await setLocally(client, this.#settingsOn(client, settings));
    if (found === 'session' && this.#pool.isStranger(client, pid)) {
      this.#pool.noteLostSession(client);
      await setLocally(client, this.#settingsOn(client, settings));
    }
    const { role = '' } = this.#settingsOn(client, settings);
    const parts = { client, role, prepare: this.#prepare, link: this.#pool.linkOf(client), left };
    return new PostgresTransaction(parts, 0);
  }

  /** The settings for each transaction on this connection. */
  #settingsOn(client: PoolClient, settings: TransactionSettings): TransactionSettings {
    return this.#pool.linkOf(client) === 'session'
      ? settings
      : { ...this.#pool.transactionSettings, ...settings };
  }

  listen(
    channel: string,
    onPayload: (payload: string) => void,
    onGap?: (cause: GapCause) => void,
  ): Promise<() => Promise<void>> {
    return this.#listener.listen(channel, onPayload, onGap);
  }

  get deafSince(): number | null {
    return this.#listener.deafSince;
  }

  /**
   * Makes new statements run on new connections, because the login's settings (`alter role ... set`) are read
   * when a connection is made. Running statements are not disturbed.
   */
  renewConnections(): void {
    this.#pool.renew();
  }

  poolState(): PoolState {
    const { waiting, ...connections } = this.#pool.state;
    return { ...connections, waiting: waiting + this.#shares.waiting };
  }

  async close(withinMs: number | null = null): Promise<void> {
    await this.#listener.close();
    await this.#pool.close(withinMs);
  }
}

/** The tenant (empty for callers without a token) whose request this is; null: it is the process's own work. */
function tenantOf(settings: TransactionSettings): string | null {
  return settings['app.request_id'] ? (settings['app.tenant_id'] ?? '') : null;
}

/**
 * Turns the various errors of node-postgres for a connection that ended before the answer into ConnectionLost.
 * Other errors stay as they are.
 */
function asLoss(error: unknown, client: PoolClient): unknown {
  // Errors of node-postgres and of sockets have the plain name `Error`.
  const isLoss = error instanceof Error && error.name === 'Error' && !(error instanceof DatabaseError);
  if (!isLoss || (client as unknown as BoundedClient).usable) return error;
  return new ConnectionLost(error.message, { reason: 'cut', cause: error });
}

/** Sets settings for the open transaction. Returns the pid of the server process that did it. */
async function setLocally(client: PoolClient, settings: TransactionSettings): Promise<number | undefined> {
  const names = Object.keys(settings);
  const calls = names.map((_, i) => `, pg_catalog.set_config($${2 * i + 1}, $${2 * i + 2}, true)`);
  const { rows } = await client.query<{ pid: number }>(
    `select pg_catalog.pg_backend_pid() as pid${calls.join('')}`,
    names.flatMap((name) => [name, settings[name]]),
  );
  return rows[0]?.pid;
}

/** A listening connection waits without end, so it has no statement timeout. */
function listenOptions({ listen, pooler = 'off', ...options }: PoolOptions): PoolOptions {
  // The known pooler stands on the usual way, not on this one. `auto` asks here as well; otherwise the operator
  // is trusted.
  const mode = listen === undefined || pooler === 'auto' || pooler === 'off' ? pooler : 'session';
  return { ...options, ...listen, pooler: mode, statementTimeoutMs: 0 };
}

interface TransactionParts {
  readonly client: PoolClient;
  /** The role that preparations belong to. */
  readonly role: string;
  readonly prepare: boolean;
  readonly link: Link;
  /** Aborts when nobody waits for the transaction any longer; null: somebody always does. */
  readonly left: AbortSignal | null;
}

/**
 * Statements of an open transaction. The settings are in effect already; the role is kept because it names
 * preparations.
 */
class PostgresTransaction implements Transaction {
  readonly #parts: TransactionParts;
  readonly #depth: number;

  constructor(parts: TransactionParts, depth: number) {
    this.#parts = parts;
    this.#depth = depth;
  }

  async query<Row>(statement: Statement): Promise<StatementResult<Row>> {
    const { client, left, ...parts } = this.#parts;
    const batch = { ...parts, settings: {}, statements: [statement], mode: null };
    const [result] = await roundTrip(client, batch, left);
    return result as StatementResult<Row>;
  }

  async savepoint<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const { client } = this.#parts;
    const name = `lt_${this.#depth + 1}`;
    await client.query(`savepoint ${name}`);
    try {
      const result = await work(new PostgresTransaction(this.#parts, this.#depth + 1));
      await client.query(`release savepoint ${name}`);
      return result;
    } catch (error) {
      await client.query(`rollback to savepoint ${name}`);
      throw error;
    }
  }

  async copyFrom(text: string, source: Readable): Promise<number> {
    const sink = this.#parts.client.query(copyFromStdin(text));
    await pipeline(source, sink);
    return sink.rowCount;
  }
}

/**
 * Whether a prepared statement of ours was missing, or existed already (26000, 42P05; other poolers have other
 * codes): the connection does not lead to a session of its own.
 */
function isAboutPreparation(error: unknown): boolean {
  return error instanceof DatabaseError && namesPreparation(error);
}

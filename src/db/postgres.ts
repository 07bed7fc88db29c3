import { pipeline } from 'node:stream/promises';
import type { Readable } from 'node:stream';
import type { PoolClient } from 'pg';
import { from as copyFromStdin } from 'pg-copy-streams';
import type { Database, PoolState, Transaction, TransactionMode, TransactionSettings } from './database.ts';
import { NotificationListener } from './listener.ts';
import { ConnectionPool, connectionConfig, endsConnection } from './pool.ts';
import type { PoolOptions } from './pool.ts';
import { roundTrip } from './round-trip.ts';
import type { Statement, StatementResult } from './statement.ts';

/** What befalls the connections while nobody waits for them. */
export type ConnectionEvent =
  | { readonly kind: 'idle-connection-lost'; readonly error: Error }
  | { readonly kind: 'listener-lost'; readonly error: Error }
  | { readonly kind: 'listener-restored'; readonly afterMs: number };

/** A Database over node-postgres. Connects at first use; `close` it. */
export class PostgresDatabase implements Database {
  readonly kind: 'embedded' | 'server';
  readonly #pool: ConnectionPool;
  readonly #listener: NotificationListener;
  readonly #prepare: boolean;

  constructor(kind: 'embedded' | 'server', options: PoolOptions, onEvent: (event: ConnectionEvent) => void) {
    this.kind = kind;
    this.#prepare = options.preparedStatements ?? true;
    this.#pool = new ConnectionPool(options, (error) => onEvent({ kind: 'idle-connection-lost', error }));
    // A listening connection waits without end: no statement timeout.
    this.#listener = new NotificationListener(
      connectionConfig({ ...options, statementTimeoutMs: 0 }),
      onEvent,
    );
  }

  query<Row>(statement: Statement): Promise<StatementResult<Row>> {
    return this.queryWith<Row>({}, statement);
  }

  async queryWith<Row>(settings: TransactionSettings, statement: Statement): Promise<StatementResult<Row>> {
    const [result] = await this.#batch(settings, [statement], null);
    return result as StatementResult<Row>;
  }

  async batch(
    settings: TransactionSettings,
    statements: readonly Statement[],
    mode?: TransactionMode,
  ): Promise<readonly StatementResult<unknown>[]> {
    return statements.length === 0 ? [] : this.#batch(settings, statements, mode ?? null);
  }

  async #batch(
    settings: TransactionSettings,
    statements: readonly Statement[],
    mode: TransactionMode | null,
  ): Promise<readonly StatementResult<unknown>[]> {
    const client = await this.#pool.acquire();
    let broken = false;
    try {
      const role = settings['role'] ?? '';
      return await roundTrip(client, { settings, statements, mode, role, prepare: this.#prepare });
    } catch (error) {
      broken = endsConnection(error);
      throw error;
    } finally {
      this.#pool.release(client, broken);
    }
  }

  async transaction<T>(
    settings: TransactionSettings,
    work: (transaction: Transaction) => Promise<T>,
  ): Promise<T> {
    const client = await this.#pool.acquire();
    let broken = false;
    try {
      await client.query('begin');
      try {
        const result = await work(await beginWith(client, settings, this.#prepare));
        await client.query('commit');
        return result;
      } catch (error) {
        // A connection that cannot even roll back is of no further use, and its failure is not the news.
        await client.query('rollback').catch(() => {
          broken = true;
        });
        throw error;
      }
    } finally {
      this.#pool.release(client, broken);
    }
  }

  listen(
    channel: string,
    onPayload: (payload: string) => void,
    onGap?: () => void,
  ): Promise<() => Promise<void>> {
    return this.#listener.listen(channel, onPayload, onGap);
  }

  /**
   * From now on statements run on connections made anew: what the login's settings (`alter role ... set`) are is read when
   * a connection is made. Statements that run are not disturbed.
   */
  renewConnections(): void {
    this.#pool.renew();
  }

  poolState(): PoolState {
    return this.#pool.state;
  }

  async close(): Promise<void> {
    await this.#listener.close();
    await this.#pool.close();
  }
}

async function beginWith(
  client: PoolClient,
  settings: TransactionSettings,
  prepare: boolean,
): Promise<Transaction> {
  const transaction = new PostgresTransaction(client, settings['role'] ?? '', prepare, 0);
  const names = Object.keys(settings);
  if (names.length > 0) {
    await client.query(
      `select ${names.map((_, i) => `pg_catalog.set_config($${2 * i + 1}, $${2 * i + 2}, true)`).join(', ')}`,
      names.flatMap((name) => [name, settings[name]]),
    );
  }
  return transaction;
}

/** Statements of an open transaction. The settings hold already; the role is kept to name preparations by. */
class PostgresTransaction implements Transaction {
  readonly #client: PoolClient;
  readonly #role: string;
  readonly #prepare: boolean;
  readonly #depth: number;

  constructor(client: PoolClient, role: string, prepare: boolean, depth: number) {
    this.#client = client;
    this.#role = role;
    this.#prepare = prepare;
    this.#depth = depth;
  }

  async query<Row>(statement: Statement): Promise<StatementResult<Row>> {
    const [result] = await roundTrip(this.#client, {
      settings: {},
      statements: [statement],
      mode: null,
      role: this.#role,
      prepare: this.#prepare,
    });
    return result as StatementResult<Row>;
  }

  async savepoint<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const name = `lt_${this.#depth + 1}`;
    await this.#client.query(`savepoint ${name}`);
    try {
      const nested = new PostgresTransaction(this.#client, this.#role, this.#prepare, this.#depth + 1);
      const result = await work(nested);
      await this.#client.query(`release savepoint ${name}`);
      return result;
    } catch (error) {
      await this.#client.query(`rollback to savepoint ${name}`);
      throw error;
    }
  }

  async copyFrom(text: string, source: Readable): Promise<number> {
    const sink = this.#client.query(copyFromStdin(text));
    await pipeline(source, sink);
    return sink.rowCount;
  }
}

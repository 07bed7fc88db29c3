import type {
  CallerDatabase,
  Executor,
  Transaction,
  TransactionMode,
  TransactionSettings,
} from './database.ts';
import type { Statement, StatementResult } from './statement.ts';

/**
 * The database under certain connection settings (role, tenant, claims). Every statement runs under these and
 * no others.
 */
export interface ScopedDatabase extends Executor {
  /** Runs statements one after the other, in one transaction and one round trip; see `Database.batch`. */
  batch(
    statements: readonly Statement[],
    mode?: TransactionMode,
  ): Promise<readonly StatementResult<unknown>[]>;
  /** Runs several statements in one transaction. Rolls back when `work` throws. */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
}

/** The only way into the database: a single statement costs one round trip, the settings included. */
export function scopedTo(database: CallerDatabase, settings: TransactionSettings): ScopedDatabase {
  return {
    query: <Row>(statement: Statement): Promise<StatementResult<Row>> =>
      database.queryWith<Row>(settings, statement),
    batch: (statements, mode) => database.batch(settings, statements, mode),
    transaction: (work) => database.transaction(settings, work),
  };
}

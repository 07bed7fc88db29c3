import type { Pool } from 'pg';
import { quoteIdentifier } from '../db/statement.ts';

/**
 * How long a statement of the keeper waits for a lock. While it waits for readers it holds nothing that others
 * need. While it waits for a lock that others would queue behind, they wait no longer than this.
 */
const lockTimeoutMs = 900;

/** Runs one statement, outside of any transaction, as the owner of the partitioned tables. */
export type RunAsKeeper = (text: string) => Promise<void>;

/** Passes the work a connection on which statements run as the keeper. */
export type AsKeeper = <T>(work: (run: RunAsKeeper) => Promise<T>) => Promise<T>;

/**
 * A connection on which statements run as the keeper. `detach partition ... concurrently` cannot run in a
 * function or a transaction, and needs the owner of the parent. The keeper owns only the tables of metrics that
 * have partitions to lose. So a worker that may become the keeper gains access to nothing but the metrics, all
 * of which it can read anyway. The connection acts as the keeper for these statements only. `role` is null
 * where the login may do everything: on the embedded database.
 */
export async function withKeeper<T>(
  pool: Pool,
  role: string | null,
  work: (run: RunAsKeeper) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let clean = false;
  try {
    if (role !== null) await client.query(`set role ${quoteIdentifier(role)}`);
    await client.query(`set lock_timeout = ${lockTimeoutMs}`);
    const result = await work(async (text) => {
      await client.query(text);
    });
    await client.query('reset lock_timeout');
    // Returns to the role that the connection came with.
    await client.query('reset role');
    clean = true;
    return result;
  } finally {
    client.release(!clean);
  }
}

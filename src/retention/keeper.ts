import type { Pool } from 'pg';
import { quoteIdentifier } from '../db/statement.ts';

/**
 * How long a statement of the keeper waits for somebody. It holds nothing that others need while it waits for readers, and
 * what it may hold for an instant nobody queues behind for longer than this.
 */
const lockTimeoutMs = 900;

/** One statement, outside of any transaction, as the owner of the partitioned tables. */
export type RunAsKeeper = (text: string) => Promise<void>;

/** Gives the work a connection on which statements run as the keeper. */
export type AsKeeper = <T>(work: (run: RunAsKeeper) => Promise<T>) => Promise<T>;

/**
 * A connection on which statements run as the keeper. `detach partition ... concurrently` runs in no function and no
 * transaction, and takes the owner of the parent; the keeper owns the tables of metrics that have partitions to lose, and
 * nothing else, so the worker that may become it gets at nothing more than the metrics, all of which it reads anyway. It is
 * the keeper for these statements only. `role` is null where the login may do everything: on the embedded database.
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
    // To the role that the connection came with.
    await client.query('reset role');
    clean = true;
    return result;
  } finally {
    client.release(!clean);
  }
}

import { DatabaseError } from 'pg';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';

/** Whether an operator has stopped all writes of data. Needs the worker's role. */
export async function areWritesStopped(executor: Executor): Promise<boolean> {
  const { rows } = await executor.query(sql`select from ops.stopped_writes`);
  return rows.length > 0;
}

/** Whether the database refused a write because writes are stopped. */
export function isWriteStopped(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === 'LTO01';
}

import { DatabaseError } from 'pg';
import type { Executor } from './db/database.ts';
import { sql } from './db/statement.ts';
import { EmbeddingError } from './embeddings/embedding-client.ts';

/** Something of one tenant that a task cannot do. */
export interface QuarantinedItem {
  /** As in ops.quarantined_items. */
  readonly task: string;
  readonly tenant: string;
  /** What it is, in the task's terms. */
  readonly item: string;
}

/**
 * Sets an item aside, so that the task goes on with everybody else's: ops.quarantine_item, which says when it is tried again.
 * Rejects with the error itself when that is not the item's: a lost connection, a server that shuts down, a fault of ours.
 */
export async function quarantine(
  executor: Executor,
  { task, tenant, item }: QuarantinedItem,
  error: unknown,
): Promise<void> {
  const code = codeOf(error);
  if (code === null) throw error;
  const { rows } = await executor.query<{ blamed: boolean }>(
    sql`select ops.quarantine_item(${task}, ${tenant}, ${item}, ${code}, ${(error as Error).message}) as blamed`,
  );
  if (!rows[0]?.blamed) throw error;
}

/**
 * Does the work of a task that leaves out what is set aside for now, and forgets afterwards the items that were due again and
 * did not fail. Those stay that the work did not get to before the signal ended it.
 */
export async function withQuarantine<T>(
  executor: Executor,
  task: string,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const { rows } = await executor.query<{ began: string }>(sql`select clock_timestamp()::text as began`);
  const result = await work();
  if (!signal.aborted)
    await executor.query(sql`select ops.release_items(${task}, ${rows[0]!.began}::timestamptz)`);
  return result;
}

/** The SQLSTATE of an error of the database, or why an endpoint gave no embedding; null: it says nothing about an item. */
function codeOf(error: unknown): string | null {
  if (error instanceof DatabaseError) return error.code ?? null;
  return error instanceof EmbeddingError ? error.reason : null;
}

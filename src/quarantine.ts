import { DatabaseError } from 'pg';
import type { Executor } from './db/database.ts';
import { sql } from './db/statement.ts';
import { EmbeddingError } from './embeddings/embedding-client.ts';

/** An item of one tenant that a job cannot handle. */
export interface QuarantinedItem {
  /** The job's name, as in ops.quarantined_items. */
  readonly task: string;
  readonly tenant: string;
  /** The item, in the job's terms. */
  readonly item: string;
}

/**
 * Sets an item aside, so that the job can go on with the others: ops.quarantine_item, which decides when it is
 * tried again. Rejects with the error itself if the item is not to blame: for a lost connection, a server that
 * shuts down, or a fault of ours.
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
 * Runs the work of a job that skips items that are set aside for now. Afterwards, items that were due again and
 * did not fail are released. When the signal ends the work early, the items stay set aside, because the work
 * may not have reached them.
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

/**
 * The SQLSTATE of a database error, or the reason why an endpoint gave no embedding. Null: the error says
 * nothing about an item.
 */
function codeOf(error: unknown): string | null {
  if (error instanceof DatabaseError) return error.code ?? null;
  return error instanceof EmbeddingError ? error.reason : null;
}

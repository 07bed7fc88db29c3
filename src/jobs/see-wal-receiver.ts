import type { ReceiverStatus } from '../backup/server/wal/receive-wal.ts';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';

/** Records how receiving WAL is going, for operators and alerts: ops.wal_receivers, ops.check_wal_receivers. */
export async function seeWalReceiver(
  executor: Executor,
  slot: string,
  { slot: state, receiving, problem }: ReceiverStatus,
): Promise<void> {
  await executor.query(sql`
    select ops.see_wal_receiver(
      ${slot}, ${receiving}, ${state?.receivedLsn ?? null}::pg_lsn, ${state?.keptBytes ?? null}::bigint,
      ${state?.safeBytes ?? null}::bigint, ${state?.walStatus ?? null}, ${problem}
    )`);
}

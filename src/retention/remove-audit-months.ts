import { DatabaseError } from 'pg';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { version } from '../version.ts';
import { inTurns, isInTheWay } from './remove-partitions.ts';
import type { PartitionOutcome } from './remove-partitions.ts';

/** A month of the audit log that is not kept, as ops.removable_audit_months returns it. */
export interface RemovableMonth {
  readonly partition: string;
  readonly range_end: Date;
  /** Rows that the chain counts in it. */
  readonly row_count: string;
  readonly bytes: string;
}

/** The months of the audit log that are not kept, oldest first. */
export async function removableMonths(executor: Executor, now: Date): Promise<readonly RemovableMonth[]> {
  const { rows } = await executor.query<RemovableMonth>(
    sql`select * from ops.removable_audit_months(${now})`,
  );
  return rows;
}

/**
 * Removes the months of the audit log that are not kept, oldest first, each as a statement of its own. A month that is not wholly sealed,
 * or that a session reads, waits for the next run, and so do those after it.
 */
export async function removeAuditMonths(
  executor: Executor,
  {
    now,
    signal,
    onOutcome,
  }: { now: Date; signal: AbortSignal; onOutcome: (outcome: PartitionOutcome) => void },
): Promise<readonly PartitionOutcome[]> {
  const outcomes: PartitionOutcome[] = [];
  for (const { partition } of await removableMonths(executor, now)) {
    if (signal.aborted || outcomes.at(-1)?.kind === 'waits') break;
    const outcome = await removeMonth(executor, partition);
    outcomes.push(outcome);
    onOutcome(outcome);
  }
  return outcomes;
}

async function removeMonth(executor: Executor, partition: string): Promise<PartitionOutcome> {
  try {
    await inTurns(() => executor.query(sql`select ops.remove_audit_month(${partition}, ${version})`));
    return { partition, kind: 'removed' };
  } catch (error) {
    const isUnsealed = error instanceof DatabaseError && error.code === 'LTA06';
    if (!isUnsealed && !isInTheWay(error)) throw error;
    return { partition, kind: 'waits', problem: error.message };
  }
}

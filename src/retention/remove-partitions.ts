import { setTimeout as pause } from 'node:timers/promises';
import { DatabaseError } from 'pg';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import type { RunAsKeeper } from './keeper.ts';

/** A partition that no tenant keeps, as ops.removable_partitions returns it. */
export interface RemovablePartition {
  readonly policy: string;
  readonly parent: string;
  readonly partition: string;
  readonly range_start: Date;
  readonly range_end: Date;
  /** `attached`: has to be detached. `pending`: its detach was interrupted. `detached`: has to be dropped. */
  readonly state: 'attached' | 'pending' | 'detached';
}

/** The outcome for one partition. With `waits`, `problem` gives the reason, and the next run tries again. */
export type PartitionOutcome = { readonly partition: string } & (
  { readonly kind: 'removed' } | { readonly kind: 'waits'; readonly problem: string }
);

const dropAttempts = 5;
const betweenDropsMs = 250;

/** The partitions that can be removed. With `planned`, as if all metrics were rolled up. */
export async function removablePartitions(
  executor: Executor,
  now: Date,
  planned: boolean,
): Promise<RemovablePartition[]> {
  const { rows } = await executor.query<RemovablePartition>(
    sql`select * from ops.removable_partitions(${now}, ${planned})`,
  );
  return rows;
}

/**
 * Removes the partitions that can go, oldest first: detach concurrently, finalize where a detach was
 * interrupted, drop, each as a statement of its own. A session that reads or writes the table delays the
 * removal, and is itself kept waiting no longer than the lock timeout: a lock that cannot be had in time is
 * left to the next run, and recorded in ops.partition_removals. The executor commits each statement by itself,
 * as the worker.
 */
export async function removePartitions(
  executor: Executor,
  asKeeper: RunAsKeeper,
  {
    now,
    signal,
    onOutcome,
  }: { now: Date; signal: AbortSignal; onOutcome: (outcome: PartitionOutcome) => void },
): Promise<PartitionOutcome[]> {
  const outcomes: PartitionOutcome[] = [];
  // Postgres lets only one partition of a table at a time be between attached and detached.
  const busy = new Set<string>();
  const partitions = await removablePartitions(executor, now, false);
  const pendingFirst = partitions.toSorted(
    (a, b) => Number(b.state !== 'attached') - Number(a.state !== 'attached'),
  );
  for (const removable of pendingFirst) {
    if (signal.aborted) break;
    if (busy.has(removable.parent) && removable.state === 'attached') continue;
    const outcome = await removePartition(executor, asKeeper, removable);
    if (outcome.kind === 'waits') busy.add(removable.parent);
    outcomes.push(outcome);
    onOutcome(outcome);
  }
  return outcomes;
}

async function removePartition(
  executor: Executor,
  asKeeper: RunAsKeeper,
  { policy, parent, partition, range_start, range_end, state }: RemovablePartition,
): Promise<PartitionOutcome> {
  await executor.query(
    sql`select ops.begin_partition_removal(${policy}, ${parent}, ${partition}, ${range_start}, ${range_end})`,
  );
  // The removal waits for transactions older than this; see ops.removal_waits.
  await executor.query(
    sql`update ops.partition_removals set tried_at = now(), problem = null where partition = ${partition}`,
  );
  try {
    // ops.removable_partitions has already quoted these names.
    if (state === 'attached')
      await asKeeper(`alter table ${parent} detach partition ${partition} concurrently`);
    if (state === 'pending') await asKeeper(`alter table ${parent} detach partition ${partition} finalize`);
    await drop(executor, partition);
    return { partition, kind: 'removed' };
  } catch (error) {
    if (!isInTheWay(error)) throw error;
    await executor.query(
      sql`update ops.partition_removals set problem = ${error.message} where partition = ${partition}`,
    );
    return { partition, kind: 'waits', problem: error.message };
  }
}

/**
 * Drops a partition. The drop locks the table of tenants for an instant, so it waits briefly, and tries again
 * after others have had their turn.
 */
async function drop(executor: Executor, partition: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await executor.query(sql`select ops.drop_partition(${partition})`);
      return;
    } catch (error) {
      if (!isInTheWay(error) || attempt === dropAttempts) throw error;
      await pause(betweenDropsMs);
    }
  }
}

/**
 * Another session holds a needed lock: lock_not_available, deadlock_detected, or another removal in the same
 * table.
 */
function isInTheWay(error: unknown): error is DatabaseError {
  return error instanceof DatabaseError && ['55P03', '40P01', '55000', '55006'].includes(error.code ?? '');
}

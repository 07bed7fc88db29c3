import { setTimeout as pause } from 'node:timers/promises';
import { DatabaseError } from 'pg';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';

/** A partition that no tenant keeps, as ops.removable_partitions returns it. */
export interface RemovablePartition {
  readonly policy: string;
  readonly parent: string;
  readonly partition: string;
  readonly range_start: Date;
  readonly range_end: Date;
  /** `attached`: has to be detached. `pending`: an earlier version's detach was interrupted. `detached`: has to be dropped. */
  readonly state: 'attached' | 'pending' | 'detached';
}

/** The outcome for one partition. With `waits`, `problem` gives the reason, and the next run tries again. */
export type PartitionOutcome = { readonly partition: string } & (
  { readonly kind: 'removed' } | { readonly kind: 'waits'; readonly problem: string }
);

/**
 * How often a step is tried that others may be in the way of. ops.detach_partition waits 100 ms for its lock and ops.drop_partition
 * 200 ms, and others queue behind it for as long; then they have their turn.
 */
const attempts = 5;
const betweenAttemptsMs = 250;

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
 * Removes the partitions that can go, oldest first: detach, then drop, each as a statement of its own, in functions of the owner. A
 * session that reads or writes the table delays the removal, and others are kept waiting no longer than the lock timeout: a lock that
 * cannot be had in some attempts is left to the next run, and recorded in ops.partition_removals. The executor commits each statement by
 * itself, as the worker.
 */
export async function removePartitions(
  executor: Executor,
  {
    now,
    signal,
    onOutcome,
  }: { now: Date; signal: AbortSignal; onOutcome: (outcome: PartitionOutcome) => void },
): Promise<PartitionOutcome[]> {
  const outcomes: PartitionOutcome[] = [];
  // Whoever is in the way of one partition is in the way of its siblings.
  const busy = new Set<string>();
  const partitions = await removablePartitions(executor, now, false);
  const pendingFirst = partitions.toSorted(
    (a, b) => Number(b.state !== 'attached') - Number(a.state !== 'attached'),
  );
  for (const removable of pendingFirst) {
    if (signal.aborted) break;
    if (busy.has(removable.parent) && removable.state === 'attached') continue;
    const outcome = await removePartition(executor, removable, now);
    if (outcome.kind === 'waits') busy.add(removable.parent);
    outcomes.push(outcome);
    onOutcome(outcome);
  }
  return outcomes;
}

async function removePartition(
  executor: Executor,
  { partition, state }: RemovablePartition,
  now: Date,
): Promise<PartitionOutcome> {
  await executor.query(sql`select ops.begin_partition_removal(${partition}, ${now})`);
  try {
    if (state !== 'detached')
      await inTurns(() => executor.query(sql`select ops.detach_partition(${partition}, ${now})`));
    await inTurns(() => executor.query(sql`select ops.drop_partition(${partition})`));
    return { partition, kind: 'removed' };
  } catch (error) {
    if (!isInTheWay(error)) throw error;
    await executor.query(sql`select ops.note_removal_problem(${partition}, ${error.message})`);
    return { partition, kind: 'waits', problem: error.message };
  }
}

/** Tries a step that waits briefly for its lock, and again after others have had their turn. */
export async function inTurns(step: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await step();
      return;
    } catch (error) {
      if (!isInTheWay(error) || attempt === attempts) throw error;
      await pause(betweenAttemptsMs);
    }
  }
}

/**
 * Another session holds a needed lock: lock_not_available, deadlock_detected, or another removal in the same
 * table.
 */
export function isInTheWay(error: unknown): error is DatabaseError {
  return error instanceof DatabaseError && ['55P03', '40P01', '55000', '55006'].includes(error.code ?? '');
}

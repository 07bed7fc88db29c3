import { setTimeout as pause } from 'node:timers/promises';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { quarantine, withQuarantine } from '../quarantine.ts';
import { rollUpMetrics } from './roll-up-metrics.ts';
import type { RunAsKeeper } from './keeper.ts';
import { removePartitions } from './remove-partitions.ts';
import type { PartitionOutcome } from './remove-partitions.ts';
import type { OnProgress } from '../on-progress.ts';

/** Rows of one statement: some tens of milliseconds of locks on them. */
const batch = 5_000;

const closeAttempts = 20;
const betweenClosesMs = 100;

/** Rows that were deleted under a policy, of a tenant (null: of none). */
export interface ExpiredRows {
  readonly policy: string;
  readonly tenant: string | null;
  readonly rows: number;
}

/** What a run did. */
export interface Retained {
  readonly partitions: readonly PartitionOutcome[];
  readonly rows: readonly ExpiredRows[];
  /** Stretches of points that are due and wait for a writer, or to be rolled up. */
  readonly openFloors: number;
}

/** How a run is given its time and its end, and says what it is at. */
export interface RetentionRun {
  readonly now: Date;
  readonly signal: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** What a tenant keeps no longer, as ops.retention_cutoffs gives it. */
export interface Cutoff {
  readonly policy: string;
  readonly tenant_id: string | null;
  readonly older_than: Date | null;
  readonly by_rows: boolean;
}

/**
 * Removes what the policies do not keep: partitions as a whole where no tenant keeps them, rows where one keeps less than
 * others, in batches, a batch of each tenant in turn; a tenant's rows that cannot be deleted are set aside. Metrics are rolled up
 * first, and what is not stays. Can be ended anywhere and run again; one at a time (the caller holds the lock). The executor commits each statement by itself, as the worker.
 */
export async function runRetention(
  executor: Executor,
  asKeeper: RunAsKeeper,
  { now, signal, onProgress = () => {} }: RetentionRun,
): Promise<Retained> {
  onProgress(null, 'rolling up what is due');
  await executor.query(sql`select ops.move_metric_floors(${now})`);
  await rollUpMetrics(executor, {
    until: now,
    signal,
    onProgress: ({ minutes, hours, days }) =>
      onProgress(null, `rolled up ${minutes} minutes, ${hours} hours, ${days} days`),
  });
  const openFloors = await closeFloors(executor, signal);

  const partitions = await removePartitions(executor, asKeeper, {
    now,
    signal,
    onOutcome: ({ partition, kind }) => onProgress(null, `${partition} ${kind}`),
  });

  const rows = await withQuarantine(executor, 'retention', signal, () =>
    expireRows(executor, now, signal, onProgress),
  );
  return { partitions, rows, openFloors };
}

async function expireRows(
  executor: Executor,
  now: Date,
  signal: AbortSignal,
  onProgress: NonNullable<RetentionRun['onProgress']>,
): Promise<ExpiredRows[]> {
  const cutoffs = (await readCutoffs(executor, now, false))
    .filter(({ by_rows, older_than }) => by_rows && older_than !== null)
    .map((cutoff) => ({ ...cutoff, rows: 0 }));
  let left = cutoffs;
  while (left.length > 0 && !signal.aborted) {
    const full: typeof left = [];
    for (const cutoff of left) {
      if (signal.aborted) break;
      const { policy, tenant_id: tenant, older_than: olderThan } = cutoff;
      try {
        const { rows } = await executor.query<{ count: number }>(
          sql`select ops.expire_rows(${policy}, ${tenant}, ${olderThan}, ${batch}) as count`,
        );
        const count = rows[0]?.count ?? 0;
        cutoff.rows += count;
        if (count === batch) full.push(cutoff);
      } catch (error) {
        if (tenant === null) throw error;
        await quarantine(executor, { task: 'retention', tenant, item: policy }, error);
      }
      const whose = tenant === null ? '' : ` of ${tenant}`;
      onProgress(1 - left.length / cutoffs.length, `${policy}${whose}: ${cutoff.rows} rows`);
    }
    left = full;
  }
  return cutoffs
    .filter(({ rows }) => rows > 0)
    .map(({ policy, tenant_id: tenant, rows }) => ({ policy, tenant, rows }));
}

/**
 * Closes what is refused from now on, for removal. Whoever writes at this moment may not know of it yet, in whichever
 * database of the server: that is over in an instant, or left to the next run. Gives how many are left.
 */
async function closeFloors(executor: Executor, signal: AbortSignal): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    const { rows } = await executor.query<{ open: number }>(sql`select ops.close_metric_floors() as open`);
    const open = rows[0]?.open ?? 0;
    if (open === 0 || attempt === closeAttempts || signal.aborted) return open;
    await pause(betweenClosesMs);
  }
}

/** Before when what goes. With `planned` as if all metrics were rolled up. */
export async function readCutoffs(executor: Executor, now: Date, planned: boolean): Promise<Cutoff[]> {
  const { rows } = await executor.query<Cutoff>(
    sql`select * from ops.retention_cutoffs(${now}, ${planned}) order by policy, tenant_id`,
  );
  return rows;
}

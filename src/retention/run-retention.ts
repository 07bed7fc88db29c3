import { setTimeout as pause } from 'node:timers/promises';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { quarantine, withQuarantine } from '../quarantine.ts';
import { rollUpMetrics } from './roll-up-metrics.ts';
import { removeAuditMonths } from './remove-audit-months.ts';
import { removePartitions } from './remove-partitions.ts';
import type { PartitionOutcome } from './remove-partitions.ts';
import type { OnProgress } from '../on-progress.ts';

/** Rows that one statement deletes: it holds their locks for some tens of milliseconds. */
const batch = 5_000;

const closeAttempts = 20;
const betweenClosesMs = 100;

/** Rows that were deleted under a policy, for one tenant (null: rows without a tenant). */
export interface ExpiredRows {
  readonly policy: string;
  readonly tenant: string | null;
  readonly rows: number;
}

/** The result of a run. */
export interface Retained {
  readonly partitions: readonly PartitionOutcome[];
  /** Months of the audit log. */
  readonly months: readonly PartitionOutcome[];
  readonly rows: readonly ExpiredRows[];
  /** Stretches of expired points that wait for a writer, or to be rolled up. */
  readonly openFloors: number;
}

/** The clock, the end and the progress of a run. */
export interface RetentionRun {
  readonly now: Date;
  readonly signal: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** The moment before which a tenant's rows expire, as ops.retention_cutoffs returns it. */
export interface Cutoff {
  readonly policy: string;
  readonly tenant_id: string | null;
  readonly older_than: Date | null;
  readonly by_rows: boolean;
}

/**
 * Removes what the policies no longer keep: whole partitions that no tenant keeps, and rows where one tenant
 * keeps less than others. Rows are deleted in batches, one batch of each tenant in turn; rows of a tenant that
 * cannot be deleted are set aside. Metrics are rolled up first, and those that are not stay. Can be ended
 * anywhere and run again, but only one run at a time (the caller holds the lock). The executor commits each
 * statement by itself, as the worker.
 */
export async function runRetention(
  executor: Executor,
  { now, signal, onProgress = () => {} }: RetentionRun,
): Promise<Retained> {
  onProgress(null, 'rolling up the metrics that are due');
  await executor.query(sql`select ops.move_metric_floors(${now})`);
  await rollUpMetrics(executor, {
    until: now,
    signal,
    onProgress: ({ minutes, hours, days }) =>
      onProgress(null, `rolled up ${minutes} minutes, ${hours} hours, ${days} days`),
  });
  const openFloors = await closeFloors(executor, signal);

  const removal = {
    now,
    signal,
    onOutcome: ({ partition, kind }: PartitionOutcome) => onProgress(null, `${partition} ${kind}`),
  };
  const partitions = await removePartitions(executor, removal);
  const months = await removeAuditMonths(executor, removal);

  const rows = await withQuarantine(executor, 'retention', signal, () =>
    expireRows(executor, now, signal, onProgress),
  );
  return { partitions, months, rows, openFloors };
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
        // More than asked for where the last thread went with all of its messages.
        if (count >= batch) full.push(cutoff);
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
 * Closes the stretches that no longer take points, so that they can be removed. A session that is writing right
 * now may not know of it yet, in any database of the server. That passes in an instant, or is left to the next
 * run. Returns how many stretches stay open.
 */
async function closeFloors(executor: Executor, signal: AbortSignal): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    const { rows } = await executor.query<{ open: number }>(sql`select ops.close_metric_floors() as open`);
    const open = rows[0]?.open ?? 0;
    if (open === 0 || attempt === closeAttempts || signal.aborted) return open;
    await pause(betweenClosesMs);
  }
}

/** The moments before which rows expire. With `planned`, as if all metrics were rolled up. */
export async function readCutoffs(executor: Executor, now: Date, planned: boolean): Promise<Cutoff[]> {
  const { rows } = await executor.query<Cutoff>(
    sql`select * from ops.retention_cutoffs(${now}, ${planned}) order by policy, tenant_id`,
  );
  return rows;
}

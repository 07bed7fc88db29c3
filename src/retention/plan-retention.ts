import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { removablePartitions } from './remove-partitions.ts';
import { removableMonths } from './remove-audit-months.ts';
import { readCutoffs } from './run-retention.ts';

/** Rows or a partition that retention would remove. */
export interface PlannedRemoval {
  readonly policy: string;
  /** Null: rows without a tenant, or an empty partition. */
  readonly tenant: string | null;
  readonly olderThan: Date;
  /** The partition that is removed as a whole; null: rows are deleted. */
  readonly partition: string | null;
  readonly rows: number;
  /** Size on disk of the whole partition. */
  readonly bytes: number | null;
}

/** The removals that `runRetention` would make now if all metrics were rolled up. Only counts. */
export async function planRetention(executor: Executor, now: Date): Promise<PlannedRemoval[]> {
  const planned: PlannedRemoval[] = [];
  for (const { policy, parent, partition, range_start, range_end, state } of await removablePartitions(
    executor,
    now,
    true,
  )) {
    const { rows } = await executor.query<{ bytes: string; counts: Readonly<Record<string, number>> }>(sql`
      select pg_catalog.pg_total_relation_size(${partition}::regclass) as bytes,
        case
          when ${state === 'detached'} then ops.count_detached_rows(${partition})
          else ops.rows_by_tenant(${parent}, ${range_start}, ${range_end})
        end as counts`);
    const [found] = rows;
    const bytes = Number(found?.bytes ?? 0);
    const counts = Object.entries(found?.counts ?? {});
    const common = { policy, olderThan: range_end, partition, bytes };
    if (counts.length === 0) planned.push({ ...common, tenant: null, rows: 0 });
    for (const [tenant, count] of counts) planned.push({ ...common, tenant, rows: count });
  }
  for (const { partition, range_end: olderThan, row_count, bytes } of await removableMonths(executor, now)) {
    const size = { rows: Number(row_count), bytes: Number(bytes) };
    planned.push({ policy: 'audit', tenant: null, olderThan, partition, ...size });
  }
  for (const { policy, tenant_id: tenant, older_than: olderThan, by_rows } of await readCutoffs(
    executor,
    now,
    true,
  )) {
    if (!by_rows || olderThan === null) continue;
    const { rows } = await executor.query<{ count: string }>(
      sql`select ops.count_expired_rows(${policy}, ${tenant}, ${olderThan}) as count`,
    );
    const withPartitions = planned
      .filter(
        (removal) => removal.policy === policy && removal.tenant === tenant && removal.partition !== null,
      )
      .reduce((sum, removal) => sum + removal.rows, 0);
    const count = Number(rows[0]?.count ?? 0) - withPartitions;
    if (count > 0) planned.push({ policy, tenant, olderThan, partition: null, rows: count, bytes: null });
  }
  return planned;
}

import type { Executor } from '../db/database.ts';
import type { Installation } from '../db/installation.ts';
import { asOwner } from '../db/installation.ts';
import { sql } from '../db/statement.ts';
import type { ImportRow } from './store.ts';
import { pointsTarget } from './points.ts';

const timeColumn = pointsTarget.columns.indexOf('timestamp');

/** Makes room for points before their file is loaded. */
export async function makePlaces(
  installation: Installation,
  tenantId: string,
  rows: readonly ImportRow[],
): Promise<void> {
  const days = [...new Set(rows.map(({ values }) => values[timeColumn]?.slice(0, 10) ?? ''))].toSorted();
  await makeRoomForPoints(asOwner(installation), tenantId, days);
}

/**
 * Makes the partitions that points need, also those of the rollups that the worker makes of them, and a hold for their days: without one,
 * points from before what metrics.raw keeps would be refused, and others removed when they come of age. What is there already stays. The
 * executor is the owner's; days are of UTC, such as `2025-09-02`.
 */
export async function makeRoomForPoints(
  owner: Executor,
  tenantId: string,
  days: readonly string[],
): Promise<void> {
  if (days.length === 0) return;
  const months = [...new Set(days.map((day) => `${day.slice(0, 7)}-01`))];
  for (const day of days) {
    await makePartition(owner, 'metrics', day, '1 day');
    await makePartition(owner, 'metrics_minute', day, '1 day');
  }
  for (const month of months) await makePartition(owner, 'metrics_hour', month, '1 month');
  await owner.query(sql`
    insert into ops.retention_holds (policy, tenant_id, held, reason)
    select 'metrics.raw', ${tenantId}, h.held, 'points that lightning import brought in'
    from unnest(
      (
        select range_agg(tstzrange((d.day || 'T00:00Z')::timestamptz, (d.day || 'T00:00Z')::timestamptz + interval '24 hours'))
        from unnest(${days}::text[]) d(day)
      ) - coalesce(
        (
          select range_agg(r.held) from ops.retention_holds r
          where r.policy = 'metrics.raw' and (r.tenant_id is null or r.tenant_id = ${tenantId})
        ),
        '{}'
      )
    ) h(held)`);
}

async function makePartition(
  owner: Executor,
  table: string,
  from: string,
  width: '1 day' | '1 month',
): Promise<void> {
  const name = `${table}_p${from.replaceAll('-', '').slice(0, width === '1 day' ? 8 : 6)}`;
  // In UTC, whatever the session's time zone: a month is counted without it.
  await owner.query(sql`
    select app_private.create_partition(p.parent, ${name}::name, p.held_from, p.held_to)
    from (
      select ${`app_public.${table}`}::regclass as parent, ${from}::timestamp at time zone 'UTC' as held_from,
        (${from}::timestamp + ${width}::interval) at time zone 'UTC' as held_to
    ) p
    where not app_private.partition_ranges(p.parent) @> tstzrange(p.held_from, p.held_to)`);
}

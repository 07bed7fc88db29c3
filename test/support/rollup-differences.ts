import type { Client } from 'pg';

const widths = { minute: '1 minute', hour: '1 hour', day: '24 hours' } as const;
export type Resolution = keyof typeof widths;

/** The comparison of a rollup with a table of raw points. */
export interface RollupComparison {
  /** Number of rows in both. Zero means that nothing was compared. */
  readonly compared: number;
  /**
   * Rows that one side lacks or that differ. Sums may differ by a part in 10^9: they depend on the order of addition.
   */
  readonly different: number;
}

/**
 * Computes a rollup anew from points, in one plain statement that shares nothing with the worker's, and compares.
 * Only buckets that end by `until` count. Needs a superuser: row-level security would hide differences.
 */
export async function compareRollup(
  admin: Client,
  resolution: Resolution,
  {
    points = 'app_public.metrics',
    from = '-infinity',
    until,
  }: { points?: string; from?: string; until: string },
): Promise<RollupComparison> {
  const { rows } = await admin.query<RollupComparison>(
    `with keys as (
       select tenant_id, service_name, metric_name, tags,
         date_bin($1, "timestamp", '2001-01-01 00:00:00Z') as bucket,
         case when value = 0 then 0 else (sign(value) * (ceil(ln(abs(value)) / ln(1.01 / 0.99)) + 37500))::int end as key,
         value, "timestamp"
       from ${points} where "timestamp" >= $2 and "timestamp" < date_bin($1, $3, '2001-01-01 00:00:00Z')
     ),
     per_key as (
       select tenant_id, service_name, metric_name, tags, bucket, key, count(*) as count from keys group by 1, 2, 3, 4, 5, 6
     ),
     sketches as (
       select tenant_id, service_name, metric_name, tags, bucket,
         array_agg(key order by key) as sketch_keys, array_agg(count order by key) as sketch_counts
       from per_key group by 1, 2, 3, 4, 5
     ),
     expected as (
       select k.tenant_id, k.service_name, k.metric_name, k.tags, k.bucket, count(*) as count, sum(value) as sum, min(value) as min,
         max(value) as max, (array_agg(value order by "timestamp" desc, value desc))[1] as last, max("timestamp") as last_at
       from keys k group by 1, 2, 3, 4, 5
     )
     select count(*)::int as compared, (count(*) filter (where not coalesce(
       r.count = e.count and r.min = e.min and r.max = e.max and r.last = e.last and r.last_at = e.last_at
       and abs(r.sum - e.sum) <= 1e-9 * greatest(abs(e.sum), e.count * greatest(abs(e.min), abs(e.max)))
       and r.sketch_keys = s.sketch_keys and r.sketch_counts = s.sketch_counts, false
     )))::int as different
     from expected e
     join sketches s using (tenant_id, service_name, metric_name, tags, bucket)
     full join (
       select * from app_public.metrics_${resolution}
       where bucket >= $2 and bucket < date_bin($1, $3, '2001-01-01 00:00:00Z')
     ) r using (tenant_id, service_name, metric_name, tags, bucket)`,
    [widths[resolution], from, until],
  );
  return rows[0] ?? { compared: 0, different: 0 };
}

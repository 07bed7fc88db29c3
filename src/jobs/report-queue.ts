import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';

/**
 * Reports the queue to operators, in ops.jobs: jobs that run, then those that failed for good, then those that are due first, 1,000 at
 * most. The executor is the worker's: graphile-worker's schema is its own, and nobody with more rights reads there. Does nothing
 * before graphile-worker has made its tables.
 */
export async function reportQueue(executor: Executor): Promise<void> {
  const { rows } = await executor.query<{ exists: boolean }>(
    sql`select pg_catalog.to_regclass('graphile_worker.jobs') is not null as exists`,
  );
  if (!rows[0]?.exists) return;
  await executor.query(sql`
    select ops.report_jobs(coalesce(jsonb_agg(to_jsonb(j)), '[]'))
    from (
      select
        id, task_identifier as task, queue_name as queue, run_at as due_at, attempts, max_attempts, left(last_error, 2000) as last_error,
        created_at, locked_at, locked_by as worker
      from graphile_worker.jobs
      order by locked_at is null, attempts < max_attempts, run_at, id
      limit 1000
    ) j`);
}

import { Logger, runMigrations } from 'graphile-worker';
import { withRole } from '../../src/db/connection-url.ts';
import { roleName } from '../../src/db/roles.ts';
import { testRolePrefix } from './logins.ts';

/** Makes graphile-worker's tables as the first start of a worker does: through the worker's login, under its role. */
export async function migrateQueue(url: string): Promise<void> {
  const connectionString = withRole(url, roleName(testRolePrefix, 'worker'));
  await runMigrations({ connectionString, schema: 'graphile_worker', logger: new Logger(() => () => {}) });
}

/** The queue as graphile-worker has it, in the terms of ops.jobs: what a `from` of a superuser's query reads. */
export const jobQueue = `(
  select id, task_identifier as task, attempts, max_attempts, last_error, locked_by as worker,
    case when locked_at is not null then 'running' when attempts >= max_attempts then 'failed' else 'waiting' end as state
  from graphile_worker.jobs
)`;

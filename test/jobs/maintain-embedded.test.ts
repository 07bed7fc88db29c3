import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { maintainEmbeddedJob } from '../../src/jobs/maintain-embedded.ts';
import { jobResources } from '../support/job-resources.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';

describe.each(workerTargets)('maintaining an embedded database (%s)', (kind, open) => {
  let target: WorkerTarget;
  beforeAll(async () => {
    target = await open();
  });
  afterAll(() => target?.close());

  test('tells the planner how many rows a table has, and leaves a server to its own autovacuum', async () => {
    const rowsKnown = async () =>
      (
        await target.admin.query<{ rows: number }>(
          "select reltuples::int as rows from pg_class where oid = 'app_public.tasks'::regclass",
        )
      ).rows[0]!.rows;
    await target.admin.query(
      "insert into app_public.tasks (tenant_id, description) select 'default', 'x' from generate_series(1, 50)",
    );
    const before = await rowsKnown();
    const run = maintainEmbeddedJob.prepare({});
    const did = await run(null as never, jobResources(target.database, { kind: target.kind }));
    expect([did, await rowsKnown()]).toEqual(
      kind === 'embedded' ? ['vacuumed and analyzed all tables', 50] : [null, before],
    );
  });
});

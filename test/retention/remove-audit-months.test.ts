import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifyChain } from '../../src/audit/verify-chain.ts';
import { clientExecutor } from '../../src/db/client-executor.ts';
import { planRetention } from '../../src/retention/plan-retention.ts';
import { runRetention } from '../../src/retention/run-retention.ts';
import { sealAll } from '../support/seal-all.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';

describe.each(workerTargets)('retention of the audit log (%s)', (kind, open) => {
  let target: WorkerTarget;
  let admin: Client;

  beforeAll(async () => {
    target = await open();
    ({ admin } = target);
    for (const month of ['2025-01-10', '2025-02-10']) {
      await admin.query('select ops.ensure_partitions(0, 0, $1)', [`${month}T00:00:00Z`]);
      await admin.query(
        `insert into audit.log (at, tenant_id, table_name, operation, row_count, role) select $1, 'default', 'x', 'insert', 1, 'r' from generate_series(1, 3)`,
        [`${month}T00:00:00Z`],
      );
    }
  });
  afterAll(() => target?.close());

  const planned = async () =>
    (await planRetention(target.database, new Date())).filter(({ policy }) => policy === 'audit');
  const months = async () =>
    (await runRetention(target.database, { now: new Date(), signal: new AbortController().signal })).months;

  test('is for ever until an operator says otherwise, and the worker can remove nothing of it', async () => {
    expect(await planned()).toEqual([]);
    expect(await months()).toEqual([]);
    for (const partition of ['audit.log_p202501', 'app_public.tasks']) {
      const remove = target.database.query({
        text: 'select ops.remove_audit_month($1, $2)',
        values: [partition, 'x'],
      });
      await expect(remove).rejects.toMatchObject({ code: 'LTP05' });
    }
    // The embedded database has one login.
    if (kind === 'embedded') return;
    await expect(
      target.database.query({ text: "select audit.remove_partition('audit.log_p202501', 'x')" }),
    ).rejects.toMatchObject({ code: '42501' });
  });

  test('takes whole months that are sealed and not held, oldest first, and the chain goes on to verify', async () => {
    await admin.query("select ops.set_retention('audit', '100 days')");
    expect(await months()).toEqual([
      {
        partition: 'audit.log_p202501',
        kind: 'waits',
        problem: expect.stringContaining('0 of its rows are sealed'),
      },
    ]);
    await sealAll(target.database, admin, 100);
    expect((await planned()).map(({ partition, rows }) => [partition, rows])).toEqual([
      ['audit.log_p202501', 3],
      ['audit.log_p202502', 3],
    ]);
    await admin.query(
      `insert into ops.retention_holds (policy, tenant_id, held, reason) values ('audit', null, '[2025-01-31, 2025-02-02)', 'dispute')`,
    );
    expect(await months()).toEqual([]);
    await admin.query(`update ops.retention_holds set held = '[2025-02-01, 2025-02-02)'`);
    expect(await months()).toEqual([{ partition: 'audit.log_p202501', kind: 'removed' }]);
    await admin.query('delete from ops.retention_holds');
    expect(await months()).toEqual([{ partition: 'audit.log_p202502', kind: 'removed' }]);
    expect(await verifyChain({ executor: clientExecutor(admin) })).toMatchObject({
      tampering: null,
      removedRows: 6,
    });
    const { rows } = await admin.query(
      "select partition, row_count::int as rows from ops.retention_receipts where policy = 'audit' order by partition",
    );
    expect(rows).toEqual([
      { partition: 'audit.log_p202501', rows: 3 },
      { partition: 'audit.log_p202502', rows: 3 },
    ]);
  });
});

import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifyChain } from '../../../src/audit/verify-chain.ts';
import { clientExecutor } from '../../../src/db/client-executor.ts';
import { sealAll } from '../../support/seal-all.ts';
import { workerTargets } from '../../support/worker-target.ts';
import type { WorkerTarget } from '../../support/worker-target.ts';

describe.each(workerTargets)('removing a month of the audit log (%s)', (_kind, open) => {
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

  const remove = (partition: string) =>
    admin.query<{ rows: string }>(`select audit.remove_partition($1, 'test') as rows`, [partition]);
  const verify = () => verifyChain({ executor: clientExecutor(admin) });

  test('is refused for what is not a sealed month that is over, or is held', async () => {
    await expect(remove('audit.log_p202501')).rejects.toMatchObject({
      code: 'LTA06',
      message: expect.stringContaining('0 of its rows are sealed'),
    });
    await sealAll(target.database, admin, 100);
    const present = `audit.log_p${new Date().toISOString().slice(0, 7).replace('-', '')}`;
    await expect(remove(present)).rejects.toMatchObject({
      code: 'LTA06',
      message: expect.stringContaining('not over'),
    });
    await expect(remove('app_public.tasks')).rejects.toMatchObject({ code: 'LTA06' });
    await admin.query(
      `insert into ops.retention_holds (policy, tenant_id, held, reason) values ('tasks', 'default', '[2025-01-01, 2025-01-02)', 'dispute')`,
    );
    await expect(remove('audit.log_p202501')).rejects.toMatchObject({
      code: 'LTA06',
      message: expect.stringContaining('is held'),
    });
    await admin.query('delete from ops.retention_holds');
    expect(await verify()).toMatchObject({ tampering: null, removedRows: 0 });
  });

  test('is recorded in the chain, which goes on to verify, and a partition that is dropped by hand is not', async () => {
    expect((await remove('audit.log_p202501')).rows).toEqual([{ rows: '3' }]);
    expect(await verify()).toMatchObject({ tampering: null, removedRows: 3 });
    expect((await admin.query('select audit.verify() as found')).rows).toMatchObject([
      { found: { ok: true } },
    ]);
    await admin.query(`insert into app_public.tasks (tenant_id, description) values ('default', 'after')`);
    for (let i = 0; i < 100; i += 1) {
      await target.database.query({ text: "select * from ops.seal_audit_log('test', 100)" });
      if ((await verify()).unsealedRows === 0) break;
    }
    expect(await verify()).toMatchObject({ tampering: null, removedRows: 3, unsealedRows: 0 });
    await admin.query('begin');
    await admin.query('drop table audit.log_p202502');
    expect(await verify()).toMatchObject({ tampering: { kind: 'removed', row: { partition: null } } });
    await admin.query('rollback');
    // A forged row in the place of the removed month.
    await admin.query('begin');
    await admin.query("select ops.ensure_partitions(0, 0, '2025-01-10T00:00:00Z')");
    await admin.query(
      `insert into audit.log (id, at, transaction_id, table_name, operation, row_count, role) overriding system value
       select -7, '2025-01-10T00:00:00Z', from_transaction_id::text::bigint::text::xid8, 'x', 'insert', 1, 'r' from audit.seals where number = 2`,
    );
    expect(await verify()).toMatchObject({ tampering: { kind: 'slipped in' } });
    await admin.query('rollback');
  });
});

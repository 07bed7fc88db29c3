import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readHead } from '../../src/audit/anchor.ts';
import { examineAudit } from '../../src/backup/examine-audit.ts';
import { clientExecutor } from '../../src/db/client-executor.ts';
import { sealAll } from '../support/seal-all.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';

describe.each(workerTargets)('the audit log of a restored copy (%s)', (_kind, open) => {
  let target: WorkerTarget;
  let admin: Client;

  beforeAll(async () => {
    target = await open();
    ({ admin } = target);
    await admin.query(`insert into app_public.tasks (tenant_id, description) values ('default', 'one')`);
  });
  afterAll(() => target?.close());

  test('is told to be unsealed, then verified with a fault of its own that it notices, and is red when somebody tampered', async () => {
    const copy = clientExecutor(admin);
    expect(await examineAudit(copy, [])).toEqual({ sealedRows: 0, problems: [], selfTests: [] });
    await sealAll(target.database, admin);
    const head = (await readHead(copy))!;
    expect(await examineAudit(copy, [head])).toEqual({
      sealedRows: head.rows,
      problems: [],
      selfTests: [
        {
          damage: 'a row of the sealed audit log changed',
          noticed: expect.stringMatching(/^row \d+ of audit\.log was altered/),
        },
      ],
    });
    // The tampering of the test itself is taken back.
    expect((await examineAudit(copy, [head])).problems).toEqual([]);

    await admin.query('set session_replication_role = replica');
    await admin.query(`update app_public.tasks set description = 'mine'`);
    expect((await examineAudit(copy, [head])).problems).toEqual([
      expect.stringMatching(
        /^held against the audit log: row .* of app_public\.tasks is not what the log says: description$/,
      ),
    ]);
    await admin.query("delete from audit.log where table_name = 'app_public.tasks'");
    expect((await examineAudit(copy, [head])).problems).toEqual([
      expect.stringMatching(/^the sealed audit log: row \d+ of audit\.log was removed/),
      expect.stringMatching(
        /^held against the audit log: row .* of app_public\.tasks is there, and the log has no insert of it$/,
      ),
    ]);
    await admin.query('truncate audit.log, audit.seals, audit.seal_parts');
    // Sealing takes as many links as it needs: another file's open transaction ends one early.
    expect((await examineAudit(copy, [head])).problems[0]).toContain(
      `the sealed audit log: the chain does not reach link ${head.number}, which an anchor saw`,
    );
    await admin.query('drop table audit.seals cascade');
    expect((await examineAudit(copy, [head])).problems).toEqual([
      'the copy has no sealed audit log, and its backup saw one',
    ]);
  });
});

import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifyRows } from '../../src/audit/verify-rows.ts';
import { clientExecutor } from '../../src/db/client-executor.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';

describe.each(workerTargets)('comparing the tables with the log (%s)', (_kind, open) => {
  let target: WorkerTarget;
  let admin: Client;

  beforeAll(async () => {
    target = await open();
    ({ admin } = target);
    await admin.query(`select ops.create_tenant('acme', 'Acme')`);
    for (const tenant of ['default', 'acme']) {
      await admin.query(
        `insert into app_public.agents (tenant_id, id, name, model, specialization) values ($1, 'a', 'A', 'm', 's')`,
        [tenant],
      );
      await admin.query(
        `insert into app_public.knowledge (tenant_id, agent_id, category, content, embedding)
         select $1, 'a', 'c', 'known', array_fill(0.5, '{1536}')::vector from generate_series(1, 3)`,
        [tenant],
      );
      await admin.query(
        `insert into app_public.sessions (tenant_id, user_id, token, expires_at) values ($1, 'u', encode(sha256($1::text::bytea), 'hex'), now() + interval '1 day')`,
        [tenant],
      );
      await admin.query(`insert into app_public.workflows (tenant_id, name, steps) values ($1, 'w', '[]')`, [
        tenant,
      ]);
    }
    // A use of knowledge is counted without a row in the log.
    await admin.query(`set role ${target.config.rolePrefix}_search`);
    await admin.query('update app_public.knowledge set usage_count = usage_count + 1');
    await admin.query('reset role');
    await admin.query(
      `insert into app_public.tasks (tenant_id, description, context) values ('acme', 'one', '{"n": 1.0}'), ('acme', 'two', '{}'), ('acme', 'three', '{}')`,
    );
    await admin.query(
      `update app_public.tasks set description = description || '!' where description in ('one', 'two')`,
    );
    await admin.query(
      `update app_public.tasks set description = description || '!' where description = 'one!'`,
    );
    await admin.query(`delete from app_public.tasks where description = 'two!'`);
  });
  afterAll(() => target?.close());

  const look = () => verifyRows(clientExecutor(admin));

  test('finds nothing where every change was logged, in every table that the log keeps', async () => {
    const { tables, rows, differences } = await look();
    expect(differences).toEqual([]);
    expect(tables).toBeGreaterThan(6);
    expect(rows).toBeGreaterThan(10);
  });

  const cases: readonly (readonly [
    what: string,
    statements: readonly string[],
    kind: string,
    columns: readonly string[],
  ])[] = [
    [
      'an update',
      [`update app_public.tasks set status = 'completed', description = 'mine' where description = 'one!!'`],
      'differs',
      ['description', 'status'],
    ],
    [
      'an update of a column that never changed',
      [`update app_public.tasks set max_attempts = 7 where description = 'three'`],
      'differs',
      ['max_attempts'],
    ],
    ['a delete', [`delete from app_public.tasks where description = 'three'`], 'missing', []],
    [
      'an insert',
      [`insert into app_public.tasks (tenant_id, description) values ('acme', 'from nowhere')`],
      'unrecorded',
      [],
    ],
    [
      'a row that comes back',
      [
        `insert into app_public.tasks (tenant_id, id, description) select 'acme', (key ->> 'id')::uuid, 'back' from audit.log
         where table_name = 'app_public.tasks' and operation = 'delete'`,
      ],
      'deleted',
      [],
    ],
    [
      'a secret that was replaced',
      [`update app_public.sessions set token = repeat('f', 64) where tenant_id = 'acme'`],
      'differs',
      ['token'],
    ],
    ['a truncate', ['truncate app_public.knowledge'], 'missing', []],
  ];
  test.each(cases)('names %s with triggers off', async (_what, statements, kind, columns) => {
    await admin.query('begin');
    try {
      await admin.query('set local session_replication_role = replica');
      let affected = 0;
      for (const statement of statements) affected += (await admin.query(statement)).rowCount ?? 1;
      expect(affected).toBeGreaterThan(0);
      const { differences } = await look();
      expect(differences.length).toBeGreaterThan(0);
      for (const difference of differences) {
        expect(difference).toMatchObject({
          kind,
          columns,
          key: expect.anything(),
          message: expect.stringContaining('row {'),
        });
      }
    } finally {
      await admin.query('rollback');
    }
  });

  test.each(['disable trigger _800_audit_update', 'disable trigger all'])(
    'names a table whose triggers are off: %s',
    async (how) => {
      await admin.query('begin');
      await admin.query(`alter table app_public.tasks ${how}`);
      const { differences } = await look();
      await admin.query('rollback');
      expect(differences).toMatchObject([{ table: 'app_public.tasks', kind: 'trigger' }]);
    },
  );

  test('names a table whose triggers were dropped', async () => {
    await admin.query('begin');
    for (const event of ['insert', 'update', 'delete', 'truncate']) {
      await admin.query(`drop trigger _800_audit_${event} on app_public.tasks`);
    }
    await admin.query(`update app_public.tasks set max_attempts = 7 where description = 'three'`);
    const { differences } = await look();
    await admin.query('rollback');
    expect(differences).toMatchObject([
      { table: 'app_public.tasks', kind: 'trigger' },
      { table: 'app_public.tasks', kind: 'differs', columns: ['max_attempts'] },
    ]);
  });
});

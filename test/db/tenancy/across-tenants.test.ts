import { glob, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migratedDatabase } from '../../support/db.ts';
import type { MigratedDatabase } from '../../support/db.ts';
import { noServer } from '../../support/server.ts';

/**
 * Every policy that reaches across tenants: a role reaches all rows of the table with these commands. Row-level security is forced,
 * so the owner of the tables sees nothing without one either. The file of the table says more.
 */
const acrossTenants: readonly (readonly [table: string, commands: string, role: string, why: string])[] = [
  [
    'app_private.api_keys',
    'all',
    'owner',
    'finds a key before its tenant is known; the functions compare it',
  ],
  ['app_private.event_marks', 'all', 'owner', 'trims the outbox; nothing of a tenant'],
  ['app_private.events', 'all', 'owner', 'writes the outbox, and reads it to the API'],
  ['app_private.tenant_logins', 'all', 'owner', 'binds logins, and tells a login its tenant'],
  [
    'app_public.knowledge',
    'select, update',
    'search',
    'searches and counts uses; compares the tenant itself',
  ],
  ['app_public.knowledge', 'select, update', 'jobs', 'makes embeddings'],
  ['app_public.metrics', 'select', 'jobs', 'rolls up'],
  ['app_public.metrics_day', 'insert, select, update', 'jobs', 'rolls up'],
  ['app_public.metrics_hour', 'insert, select, update', 'jobs', 'rolls up'],
  ['app_public.metrics_minute', 'insert, select, update', 'jobs', 'rolls up'],
  [
    'app_public.sessions',
    'select, update',
    'owner',
    'finds a session by its token, before its tenant is known',
  ],
  ['app_public.task_attempts', 'insert', 'jobs', 'takes back expired leases'],
  ['app_public.task_leases', 'all', 'jobs', 'takes back expired leases'],
  ['app_public.tasks', 'insert, select, update', 'jobs', 'takes back expired leases, goes on with workflows'],
  ['app_public.tenants', 'all', 'owner', 'makes, suspends and lists tenants'],
  ['app_public.workflow_steps', 'select, update', 'jobs', 'goes on with workflows'],
  ['app_public.workflows', 'select, update', 'jobs', 'goes on with workflows'],
  [
    'audit.log',
    'insert, select',
    'owner',
    'the audit triggers write; the sealer and the functions that log each read, read',
  ],
  ['audit.seal_parts', 'insert, select, update', 'owner', 'seals the log; digests, nothing of a tenant'],
  ['audit.sealing', 'all', 'owner', 'the mark of the sealer; nothing of a tenant'],
  ['audit.seals', 'insert, select', 'owner', 'seals the log; digests, nothing of a tenant'],
  ['audit.seals', 'select', 'operator', 'reads the chain'],
  ['ops.alerts', 'all', 'owner', 'keeps it; nothing of a tenant'],
  ['ops.alerts', 'select', 'operator', 'reads it'],
  ['ops.alerts', 'select', 'worker', 'reads it'],
  ['ops.backups', 'all', 'owner', 'keeps it; nothing of a tenant'],
  ['ops.backups', 'select', 'operator', 'reads it'],
  ['ops.backups', 'select', 'worker', 'checks it'],
  ['ops.drills', 'all', 'owner', 'keeps it; nothing of a tenant'],
  ['ops.drills', 'select', 'operator', 'reads it'],
  ['ops.drills', 'select', 'worker', 'checks it'],
  ['ops.job_runs', 'all', 'owner', 'keeps it; nothing of a tenant'],
  ['ops.job_runs', 'select', 'operator', 'reads it'],
  ['ops.job_runs', 'select', 'worker', 'reads it'],
  ['ops.job_tasks', 'all', 'owner', 'keeps it; nothing of a tenant'],
  ['ops.job_tasks', 'select', 'operator', 'reads it'],
  ['ops.job_tasks', 'select', 'worker', 'checks it'],
  ['ops.metric_changes', 'all', 'owner', 'notes what points change; readers compare the tenant'],
  ['ops.metric_changes', 'all', 'jobs', 'rolls up'],
  ['ops.metric_floors', 'all', 'owner', 'keeps it; readers ask for the tenant of the caller'],
  ['ops.metric_floors', 'select', 'operator', 'reads it'],
  ['ops.metric_floors', 'select', 'jobs', 'rolls up and removes by it'],
  ['ops.metric_rollups', 'all', 'jobs', 'holds the row of what it rolls up; nothing of a tenant'],
  ['ops.metric_rollups', 'select', 'operator', 'reads it'],
  ['ops.partition_removals', 'all', 'owner', 'begins, tries and ends a removal'],
  ['ops.partition_removals', 'select', 'worker', 'removes by it'],
  ['ops.partition_removals', 'select', 'operator', 'reads it'],
  ['ops.quarantined_items', 'all', 'owner', 'sets aside and releases'],
  ['ops.quarantined_items', 'select', 'operator', 'reads it'],
  ['ops.quarantined_items', 'select', 'jobs', 'passes over what is set aside'],
  ['ops.queued_jobs', 'all', 'owner', 'keeps it; nothing of a tenant'],
  ['ops.queued_jobs', 'select', 'operator', 'reads it'],
  ['ops.queued_jobs', 'select', 'worker', 'reads it'],
  ['ops.retention_holds', 'all', 'owner', 'asks what has to stay'],
  ['ops.retention_holds', 'delete, insert, select', 'operator', 'says what has to stay'],
  ['ops.retention_holds', 'select', 'jobs', 'asks what has to stay'],
  ['ops.retention_overrides', 'all', 'owner', 'keeps it'],
  ['ops.retention_overrides', 'select', 'operator', 'reads it'],
  ['ops.retention_overrides', 'select', 'jobs', 'removes by it'],
  ['ops.retention_policies', 'all', 'owner', 'keeps it; nothing of a tenant'],
  ['ops.retention_policies', 'select', 'operator', 'reads it'],
  ['ops.retention_policies', 'select', 'jobs', 'removes by it'],
  ['ops.retention_receipts', 'all', 'owner', 'writes those of partitions'],
  ['ops.retention_receipts', 'insert, select, update', 'jobs', 'writes those of rows'],
  ['ops.retention_receipts', 'select', 'operator', 'reads it'],
  ['ops.tenant_removals', 'all', 'owner', 'deletes tenants; nothing of one but its id'],
  ['ops.tenant_removals', 'select', 'operator', 'reads it'],
  ['ops.wal_receivers', 'all', 'owner', 'keeps it; nothing of a tenant'],
  ['ops.wal_receivers', 'select', 'operator', 'reads it'],
  ['ops.wal_receivers', 'select', 'worker', 'checks it'],
  ['ops.ended_sessions', 'all', 'owner', 'keeps it; nothing of a tenant'],
  ['ops.ended_sessions', 'select', 'operator', 'reads it'],
  ['ops.ended_sessions', 'select', 'worker', 'reads it'],
  ['ops.refused_callers', 'all', 'owner', 'keeps it; nothing of a tenant but names'],
  ['ops.refused_callers', 'select', 'operator', 'reads it'],
  ['ops.refused_callers', 'select', 'worker', 'reads it'],
  ['ops.stopped_writes', 'all', 'owner', 'keeps it; nothing of a tenant'],
  ['ops.stopped_writes', 'select', 'operator', 'reads it'],
  ['ops.stopped_writes', 'select', 'worker', 'asks whether jobs may write'],
  ['ops.workers', 'all', 'owner', 'keeps it; nothing of a tenant'],
  ['ops.workers', 'select', 'operator', 'reads it'],
  ['ops.workers', 'select', 'worker', 'reads it'],
];

describe.skipIf(noServer)('policies', () => {
  let database: MigratedDatabase;
  let admin: Client;

  beforeAll(async () => {
    database = await migratedDatabase();
    admin = new Client({ connectionString: database.adminUrl });
    await admin.connect();
  });
  afterAll(async () => {
    await admin?.end();
    await database?.drop();
  });

  test('that reach across tenants are on the list, with a reason, and there are no others', async () => {
    const { rows } = await admin.query<{ policy: string }>(
      `select format('%I.%I for %s to %s', schemaname, tablename, lower(cmd), replace(r.role, 'lightning_', '')) as policy
       from pg_policies p, unnest(p.roles) r(role)
       where coalesce(qual, with_check) = 'true' or coalesce(with_check, qual) = 'true'`,
    );
    const listed = acrossTenants.flatMap(([table, commands, role]) =>
      commands.split(', ').map((command) => `${table} for ${command} to ${role}`),
    );
    expect(acrossTenants.filter(([, , , why]) => why === '')).toEqual([]);
    expect(
      rows.map((row) => row.policy).toSorted(),
      'a policy reaches across tenants that acrossTenants of this file does not list, or the other way round',
    ).toEqual(listed.toSorted());
  });

  test('compare the tenant with the one of the caller or the one being tidied up, but for those and that of DDL, which has none', async () => {
    const { rows } = await admin.query<{ name: string; expression: string }>(
      `select p.tablename || ' ' || p.policyname as name, e.expression
       from pg_policies p, unnest(array[p.qual, p.with_check]) e(expression)
       where e.expression is not null and e.expression <> 'true' order by 1`,
    );
    const confined =
      /^\((?:tenant_id|id) = \( SELECT app_private\.((?:current|retention)_tenant_id)\(\) AS \1\)\)$/;
    expect(rows.length).toBeGreaterThan(20);
    expect(rows.filter((row) => !confined.test(row.expression))).toEqual([
      {
        name: 'log insert_recorder',
        expression: expect.stringMatching(/^\(\(tenant_id IS NULL\) AND \(key IS NULL\) AND /),
      },
    ]);
  });
});

test('the file of a table has its policies across tenants under that heading, each below a reason', async () => {
  const sql = fileURLToPath(new URL('../../../sql/', import.meta.url));
  const faults: string[] = [];
  let policies = 0;
  for await (const file of glob('*/*.sql', { cwd: sql })) {
    const [confined = '', across = '', ...more] = (await readFile(`${sql}${file}`, 'utf8')).split(
      '\n-- Across tenants\n\n',
    );
    if (/\((using|with check) \(true\)\)|^ *(using|with check) \(true\)/m.test(confined))
      faults.push(`sql/${file}: using (true) stands above the heading "-- Across tenants"`);
    if (across === '' && more.length === 0) continue;
    policies += across.match(/^create policy/gm)?.length ?? 0;
    if (!/^-- \w/.test(across))
      faults.push(`sql/${file}: the first policy across tenants has no reason above it`);
    if (/\(select app_private\.(?:current|retention)_tenant_id/.test(across))
      faults.push(`sql/${file}: a policy of one tenant stands below the heading "-- Across tenants"`);
  }
  expect(faults).toEqual([]);
  expect(
    policies,
    'below the headings of sql/ (received) stand as many policies as acrossTenants of this file has (expected)',
  ).toBe(acrossTenants.flatMap(([, commands]) => commands.split(', ')).length);
});

import { readFile } from 'node:fs/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { describeSchema } from '../support/describe-schema.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';

describe.skipIf(noServer)('sql/schema.sql', () => {
  let database: MigratedDatabase;
  let admin: Client;
  let written: string;

  beforeAll(async () => {
    database = await migratedDatabase();
    admin = new Client({ connectionString: database.adminUrl });
    await admin.connect();
    written = await readFile(new URL('../../sql/schema.sql', import.meta.url), 'utf8');
  });
  afterAll(async () => {
    await admin?.end();
    await database?.drop();
  });

  test('is what the committed migrations make', async () => {
    expect(await describeSchema(admin, testRolePrefix), 'write it: npm run db:schema').toBe(written);
  });

  test('names every column, and every constraint, index, policy, trigger and comment of a table', async () => {
    const { rows } = await admin.query<{ name: string }>(`
      with tables as (
        select c.oid, c.relkind from pg_class c
        where c.relnamespace::regnamespace::text in ('app_public', 'app_private', 'audit', 'ops', 'legacy')
          and c.relkind in ('r', 'p', 'v', 'c') and not c.relispartition
      )
      select quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod) as name
        from pg_attribute a join tables t on t.oid = a.attrelid where a.attnum > 0 and not a.attisdropped
      union select 'constraint ' || k.conname from pg_constraint k join tables t on t.oid = k.conrelid where k.contype not in ('n', 't')
      union select 'policy ' || p.polname || ' on ' || p.polrelid::regclass from pg_policy p join tables t on t.oid = p.polrelid
      union select 'TRIGGER ' || g.tgname from pg_trigger g join tables t on t.oid = g.tgrelid where not g.tgisinternal
      union select i.indexrelid::regclass::text from pg_index i join tables t on t.oid = i.indrelid
      union select '-- ' || line from pg_description d join tables t on t.oid = d.objoid and d.classoid = 'pg_class'::regclass,
        regexp_split_to_table(d.description, E'\\n') line`);
    expect(rows.length).toBeGreaterThan(500);
    const bare = (name: string) => name.replace(/^(app_public|app_private|audit|ops|legacy)\./, '');
    expect(
      rows.map(({ name }) => bare(name)).filter((name) => !written.includes(name)),
      'sql/schema.sql lacks these: npm run db:schema; where it still does, test/support/describe-schema.ts leaves them out',
    ).toEqual([]);
  });

  test.each([
    'alter table app_public.tasks add column colour text',
    "comment on column app_public.tasks.status is 'something else'",
    'drop policy select_jobs on app_public.tasks',
    'grant truncate on app_public.tasks to lightning_member',
    'alter table app_public.tasks drop constraint tasks_status_check',
    'drop index app_public.tasks_status_idx',
    'drop trigger _200_keys on app_public.tasks',
    'alter table app_public.tasks set (fillfactor = 50)',
  ])('would not hold after: %s', async (statement) => {
    await admin.query('begin');
    try {
      await admin.query(statement);
      expect(await describeSchema(admin, testRolePrefix)).not.toBe(written);
    } finally {
      await admin.query('rollback');
    }
  });
});

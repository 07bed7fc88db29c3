import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSqlFile } from '../../src/db/sql-files.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';

const folder = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

describe.skipIf(noServer)('replaying sql/', () => {
  let database: MigratedDatabase;
  let owner: Client;
  let files: readonly string[];

  beforeAll(async () => {
    database = await migratedDatabase();
    owner = new Client({ connectionString: database.urls.migrate });
    await owner.connect();
    await owner.query('set role lightning_owner');
    // What a migration included once and dropped later has no file any more.
    files = (await includedFiles()).filter((file) => existsSync(folder(`sql/${file}`)));
  });
  afterAll(async () => {
    await owner?.end();
    await database?.drop();
  });

  test('every function that the database has stands in a file of it, or is one that audit.enable_tracking writes', async () => {
    const defined = new Set<string>();
    for (const file of files) {
      const text = await readSqlFile(file, testRolePrefix, 'unused');
      for (const [, name] of text.matchAll(/create or replace function (\w+\.\w+)/g)) defined.add(name!);
      for (const [, table] of text.matchAll(
        /^select audit\.enable_tracking\('(?:app_public|app_private|ops|legacy)\.(\w+)'(?!.*detail => false)/gm,
      ))
        defined.add(`audit.tg_${table}__log_rows`);
    }
    const { rows } = await owner.query<{ name: string }>(
      `select distinct format('%I.%I', n.nspname, p.proname) as name
       from pg_proc p join pg_namespace n on n.oid = p.pronamespace
       where n.nspname in ('app_public', 'app_private', 'audit', 'ops', 'legacy')`,
    );
    expect(rows.length).toBeGreaterThan(10);
    expect(rows.map((row) => row.name).filter((name) => !defined.has(name))).toEqual([]);
  });

  test('twice changes nothing, so what is in the files is what the migrations shipped', async () => {
    const before = await catalog(database);
    for (const [kind, lines] of Object.entries(before))
      expect([kind, lines.length > 0]).toEqual([kind, true]);
    for (let round = 0; round < 2; round++) {
      for (const file of files) {
        await owner.query(await readSqlFile(file, testRolePrefix, 'unused')).catch((error: Error) => {
          throw new Error(`${file}: ${error.message}`, { cause: error });
        });
      }
      expect(await catalog(database)).toEqual(before);
    }
  });

  test('what an administrator runs before changes nothing either', async () => {
    const before = await catalog(database);
    const admin = new Client({ connectionString: database.adminUrl });
    await admin.connect();
    try {
      const name = new URL(database.adminUrl).pathname.slice(1);
      for (const file of ['roles.sql', 'database.sql', 'roles.sql', 'database.sql'])
        await admin.query(await readSqlFile(file, testRolePrefix, name));
    } finally {
      await admin.end();
    }
    expect(await catalog(database)).toEqual(before);
  });

  test('a change would be seen', async () => {
    const before = await catalog(database);
    await owner.query("comment on table app_public.agents is 'something else'");
    await owner.query('alter policy select_tenant on app_public.tasks using (true)');
    const after = await catalog(database);
    expect(after['comments']).not.toEqual(before['comments']);
    expect(after['policies']).not.toEqual(before['policies']);
    for (const file of files) await owner.query(await readSqlFile(file, testRolePrefix, 'unused'));
    expect(await catalog(database)).toEqual(before);
  });
});

/** The files that the committed migrations include, in the order of their first inclusion of the newest state. */
async function includedFiles(): Promise<string[]> {
  const included = new Set<string>();
  for (const migration of (await readdir(folder('migrations/committed'))).toSorted()) {
    if (!migration.endsWith('.sql')) continue;
    const text = await readFile(folder(`migrations/committed/${migration}`), 'utf8');
    for (const [, file] of text.matchAll(/^--! Included (\S+)$/gm)) included.add(file!);
  }
  return [...included];
}

/** Everything that the files can change, as lines of text by kind. Object ids are left out: a policy dropped and made again has another. */
async function catalog({ adminUrl }: MigratedDatabase): Promise<Record<string, string[]>> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    // So that every name is written with its schema.
    await client.query('set search_path to pg_catalog');
    const schemas = "('app_public', 'app_private', 'audit', 'ops', 'legacy', 'public')";
    const relations = `select c.oid from pg_class c where c.relnamespace::regnamespace::text in ${schemas}`;
    const queries = {
      functions: `select pg_get_functiondef(p.oid) || ' ' || p.proowner::regrole || ' ' || coalesce(p.proacl::text, 'default')
        from pg_proc p where p.pronamespace::regnamespace::text in ('app_public', 'app_private', 'audit', 'ops', 'legacy')`,
      views: `select c.oid::regclass || ' ' || coalesce(c.reloptions::text, '') || pg_get_viewdef(c.oid)
        from pg_class c where c.relkind = 'v' and c.oid in (${relations})`,
      relations: `select c.oid::regclass || ' ' || concat_ws(' ', c.relkind, c.relrowsecurity, c.relforcerowsecurity,
          c.relispartition, c.relowner::regrole, c.reloptions, c.relacl)
        from pg_class c where c.oid in (${relations})`,
      columns: `select a.attrelid::regclass || '.' || a.attname || ' ' || concat_ws(' ', a.attnum,
          format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attacl, pg_get_expr(d.adbin, d.adrelid))
        from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where a.attnum > 0 and a.attrelid in (${relations})`,
      policies: `select p.schemaname || '.' || p.tablename || ' ' || concat_ws(' | ', p.policyname, p.permissive, p.roles, p.cmd, p.qual,
          p.with_check) from pg_policies p`,
      triggers: `select pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text from pg_trigger t where not t.tgisinternal`,
      constraints: `select k.conrelid::regclass || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid)
        from pg_constraint k where k.conrelid in (${relations})`,
      indexes: `select pg_get_indexdef(i.indexrelid) from pg_index i where i.indrelid in (${relations})`,
      comments: `select concat_ws(' ', o.type, o.identity, d.description)
        from pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) o
        where o.schema in ${schemas} or (o.type = 'schema' and o.name in ${schemas})
          or o.type in ('policy', 'trigger', 'table constraint')
        union all
        select r.rolname || ' ' || s.description from pg_shdescription s join pg_roles r on r.oid = s.objoid
          and s.classoid = 'pg_authid'::regclass where r.rolname like 'lightning\\_%'`,
      schemas: `select n.nspname || ' ' || n.nspowner::regrole || ' ' || coalesce(n.nspacl::text, '')
        from pg_namespace n where n.nspname in ${schemas}`,
      database: `select concat_ws(' ', d.datdba::regrole, d.datacl, s.setconfig)
        from pg_database d left join pg_db_role_setting s on s.setdatabase = d.oid and s.setrole = 0
        where d.datname = current_database()`,
      roles: `select concat_ws(' ', r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin,
          r.rolbypassrls) from pg_roles r where r.rolname like 'lightning\\_%'`,
      defaults:
        'select concat_ws($$ $$, d.defaclrole::regrole, d.defaclobjtype, d.defaclacl) from pg_default_acl d',
    };
    const snapshot: Record<string, string[]> = {};
    for (const [kind, query] of Object.entries(queries)) {
      const { rows } = await client.query<{ line: string }>(
        `select line from (${query}) q(line) order by line collate "C"`,
      );
      snapshot[kind] = rows.map((row) => row.line);
    }
    return snapshot;
  } finally {
    await client.end();
  }
}

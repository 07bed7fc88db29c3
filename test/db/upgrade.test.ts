import { cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Logger, migrate as runMigrations } from 'graphile-migrate';
import { clearAllPools } from 'graphile-migrate/dist/pgReal.js';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { verifyRows } from '../../src/audit/verify-rows.ts';
import { clientExecutor } from '../../src/db/client-executor.ts';
import { withRole } from '../../src/db/connection-url.ts';
import { migrate } from '../../src/db/migrations.ts';
import { migrationPlaceholders, roleName } from '../../src/db/roles.ts';
import { setupServer } from '../../src/setup/setup-server.ts';
import { freshDatabase } from '../support/db.ts';
import { describeSchema } from '../support/describe-schema.ts';
import { testLogins, testRolePrefix } from '../support/logins.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer, readyServer } from '../support/server.ts';
import { own } from '../support/tenants.ts';
import { fillTables } from '../support/two-tenants.ts';

const committed = fileURLToPath(new URL('../../migrations/committed/', import.meta.url));
const migrations = (await readdir(committed)).filter((file) => /^\d{6}/.test(file)).toSorted();
const numberOf = (file: string) => `${file.slice(0, 6)}.sql`;

// Every database that a release made comes to the newest one with all of its rows.
describe.skipIf(noServer)('a database with rows in every table', () => {
  test.each(migrations.map((file, index) => [file, index + 1] as const))(
    'as %s left it comes to the newest migration',
    (_, count) =>
      withOldDatabase(count, async ({ admin, migrateUrl }) => {
        const before = await rowsOfTables(admin);
        const empty = [...before].filter(([, rows]) => rows === 0).map(([table]) => table);
        expect(empty, 'without rows: give them a fill in test/support/access-entries.ts').toEqual([]);

        const ran = await migrate({
          connectionString: migrateUrl,
          rolePrefix: testRolePrefix,
          log: () => {},
        });

        expect(ran).toEqual(migrations.slice(count).map(numberOf));
        const after = await rowsOfTables(admin);
        const lost = [...before].filter(
          ([table, rows]) => after.has(table) && (after.get(table) ?? 0) < rows,
        );
        expect(lost, 'rows were lost').toEqual([]);
        const held = await verifyRows(clientExecutor(admin));
        expect(held.differences, 'the audit log does not know of rows').toEqual([]);
        expect(held.rows).toBeGreaterThan(10);
        expect(await describeSchema(admin, testRolePrefix), 'the schema is not that of a new database').toBe(
          await schemaOfNew(),
        );
      }),
    120_000,
  );

  test(
    'has embeddings that a search can compare, once it came from the first migration',
    () =>
      withOldDatabase(1, async ({ admin, migrateUrl }) => {
        const lengths = { tiny: 1e-30, usual: 1, large: 60_000, zeros: 0 };
        await admin.query(
          `insert into app_public.knowledge (tenant_id, id, content, embedding)
         select $1, l.key, 'x', array_fill(l.value::real, array[1536])::vector from jsonb_each_text($2) l`,
          [own, JSON.stringify(lengths)],
        );
        await migrate({ connectionString: migrateUrl, rolePrefix: testRolePrefix, log: () => {} });
        const { rows } = await admin.query(
          `select id, round(vector_norm(embedding)::numeric, 3)::text as norm from app_public.knowledge
         where id = any ($1) order by id`,
          [Object.keys(lengths)],
        );
        expect(rows).toEqual([
          { id: 'large', norm: '1.000' },
          { id: 'tiny', norm: '1.000' },
          { id: 'usual', norm: '39.192' },
          { id: 'zeros', norm: null },
        ]);
      }),
    120_000,
  );
});

/** A database that the first so many migrations made, with rows in every table. */
async function withOldDatabase(
  count: number,
  use: (old: { readonly admin: Client; readonly migrateUrl: string }) => Promise<void>,
): Promise<void> {
  const { adminUrl, template } = readyServer();
  const fresh = await freshDatabase(adminUrl);
  const databaseName = new URL(fresh.url).pathname.slice(1);
  const here = (url: string) => Object.assign(new URL(url), { pathname: `/${databaseName}` }).href;
  const admin = new Client({ connectionString: fresh.url });
  const api = serverDatabase(here(template.urls.api));
  try {
    await setupServer({
      adminUrl,
      databaseName,
      rolePrefix: testRolePrefix,
      logins: testLogins,
      log: () => {},
    });
    await migrateTo(migrations.slice(0, count), here(template.urls.migrate));
    await admin.connect();
    await fillTables(admin, api);
    await admin.query("insert into app_private.tenant_logins (login, tenant_id) values ('somebody', $1)", [
      own,
    ]);
    await use({ admin, migrateUrl: here(template.urls.migrate) });
  } finally {
    await api.close();
    await admin.end();
    await fresh.drop();
  }
}

/** Runs these committed migrations and no others, as the login that does it on a server. */
async function migrateTo(files: readonly string[], url: string): Promise<void> {
  const migrationsFolder = await mkdtemp(join(tmpdir(), 'lightning-migrations-'));
  try {
    await mkdir(join(migrationsFolder, 'committed'));
    for (const file of files) await cp(join(committed, file), join(migrationsFolder, 'committed', file));
    await runMigrations({
      connectionString: withRole(url, roleName(testRolePrefix, 'owner')),
      migrationsFolder,
      placeholders: migrationPlaceholders(testRolePrefix),
      logger: new Logger(() => () => {}),
    });
    clearAllPools();
  } finally {
    await rm(migrationsFolder, { recursive: true, force: true });
  }
}

/** How many rows each table of ours has. */
async function rowsOfTables(admin: Client): Promise<Map<string, number>> {
  const { rows: tables } = await admin.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ('app_public', 'app_private', 'audit', 'ops', 'legacy') and c.relkind in ('r', 'p') and not c.relispartition`,
  );
  const counts = new Map<string, number>();
  for (const { name } of tables) {
    const { rows } = await admin.query<{ count: number }>(`select count(*)::int as count from ${name}`);
    counts.set(name, rows[0]?.count ?? 0);
  }
  return counts;
}

/** The schema of a database that the newest migrations made from nothing: a copy of the run's template. */
async function schemaOfNew(): Promise<string> {
  const { adminUrl, template } = readyServer();
  const copy = await freshDatabase(adminUrl, template.name);
  const admin = new Client({ connectionString: copy.url });
  try {
    await admin.connect();
    return await describeSchema(admin, testRolePrefix);
  } finally {
    await admin.end();
    await copy.drop();
  }
}

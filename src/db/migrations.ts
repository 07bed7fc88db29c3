import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Logger, migrate as runMigrations } from 'graphile-migrate';
import { clearAllPools } from 'graphile-migrate/dist/pgReal.js';
import { Client } from 'pg';
import type { ClientConfig } from 'pg';
import { withRole } from './connection-url.ts';
import type { Executor } from './database.ts';
import { roleName, rolePlaceholders } from './roles.ts';
import { quoteIdentifier, sql } from './statement.ts';

/** The folder of migrations; committed ones are in `committed/`. */
const migrationsFolder = fileURLToPath(new URL('../../migrations', import.meta.url));

/** Any number: it only has to be the same in every process, and no one else's. */
const migrationLock = 4_711_020_261;

/** What a migration run needs. The login must be allowed to become `<prefix>_owner`. */
export interface MigrateOptions {
  readonly connectionString: string;
  readonly rolePrefix: string;
  readonly ssl?: ClientConfig['ssl'];
  /** Called with each line of progress. */
  readonly log: (line: string) => void;
}

/**
 * Brings the database to the newest committed migration and makes the partitions of the coming weeks. Any number of
 * processes may call it at once: one works, the others wait for it. Returns the names of the migrations that it ran.
 */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const client = new Client({
    connectionString: options.connectionString,
    ...(options.ssl === undefined ? {} : { ssl: options.ssl }),
    application_name: 'agent_lightning migrate',
  });
  await client.connect();
  try {
    await client.query(`set role ${quoteIdentifier(roleName(options.rolePrefix, 'owner'))}`);
    // graphile-migrate has a lock too, but fails at once when it is taken; this one waits.
    const { rows } = await client.query('select pg_try_advisory_lock($1) as free', [migrationLock]);
    if (!rows[0].free) {
      options.log('another process is migrating, waiting for it');
      await client.query('select pg_advisory_lock($1)', [migrationLock]);
    }
    const before = await appliedMigrations(client);
    await runMigrations({
      // Everything that a migration makes belongs to the owner.
      connectionString: withRole(options.connectionString, roleName(options.rolePrefix, 'owner')),
      migrationsFolder,
      placeholders: rolePlaceholders(options.rolePrefix),
      logger: new Logger(() => (level, message) => {
        if (level === 'error') options.log(message);
      }),
    });
    // It keeps its connection for a while, and ends the process when it is lost: an embedded database may close before.
    clearAllPools();
    await client.query('select ops.ensure_partitions()');
    return (await appliedMigrations(client)).filter((name) => !before.includes(name));
  } finally {
    await client.end();
  }
}

/** How the database compares with the committed migrations of this version. */
export type MigrationState =
  | { readonly kind: 'current' }
  | { readonly kind: 'behind'; readonly missing: readonly string[] }
  | { readonly kind: 'ahead'; readonly unknown: readonly string[] };

/** Compares the database with the committed migrations of this version. Every request role may ask. */
export async function migrationState(executor: Executor): Promise<MigrationState> {
  const { rows } = await executor.query<{ filename: string }>(
    sql`select filename from ops.applied_migrations() as filename`,
  );
  const applied = rows.map((row) => row.filename);
  const committed = await committedMigrations();
  const missing = committed.filter((name) => !applied.includes(name));
  if (missing.length > 0) return { kind: 'behind', missing };
  const unknown = applied.filter((name) => !committed.includes(name));
  return unknown.length > 0 ? { kind: 'ahead', unknown } : { kind: 'current' };
}

/** The numbers of the committed migrations as graphile-migrate's ledger names them (`000001.sql`), oldest first. */
async function committedMigrations(): Promise<string[]> {
  const files = await readdir(`${migrationsFolder}/committed`);
  return files.flatMap((file) => /^(\d{6})(?:-.*)?\.sql$/.exec(file)?.[1]?.concat('.sql') ?? []).toSorted();
}

async function appliedMigrations(client: Client): Promise<string[]> {
  const { rows: found } = await client.query("select to_regclass('graphile_migrate.migrations') as ledger");
  if (found[0].ledger === null) return [];
  const { rows } = await client.query('select filename from graphile_migrate.migrations order by filename');
  return rows.map((row: { filename: string }) => row.filename);
}

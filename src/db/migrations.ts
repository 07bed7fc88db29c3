import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Logger, migrate as runMigrations } from 'graphile-migrate';
import { clearAllPools } from 'graphile-migrate/dist/pgReal.js';
import { DatabaseError } from 'pg';
import type { Client, ClientConfig } from 'pg';
import { OperationalError } from '../operational-error.ts';
import type { BoundedClient, ConnectionLimits } from './bounded-client.ts';
import { withRole } from './connection-url.ts';
import { ConnectionLost } from './database.ts';
import type { Executor } from './database.ts';
import { boundedClient } from './pool.ts';
import { roleName, rolePlaceholders } from './roles.ts';
import { quoteIdentifier, sql } from './statement.ts';

/** The folder of migrations; committed ones are in `committed/`. */
const migrationsFolder = fileURLToPath(new URL('../../migrations', import.meta.url));

/** An arbitrary number that every process uses for this lock, and for no other. */
const migrationLock = 4_711_020_261;

/** Options of a migration run. The login must be allowed to become `<prefix>_owner`. */
export interface MigrateOptions {
  readonly connectionString: string;
  readonly rolePrefix: string;
  readonly ssl?: ClientConfig['ssl'];
  /** Called with each line of progress. */
  readonly log: (line: string) => void;
  /** How long this process waits while another one migrates. Default: ten minutes. */
  readonly lockWaitMs?: number | undefined;
}

/** Another process is migrating and did not finish in time. */
export class MigrationBusy extends OperationalError {
  override name = 'MigrationBusy';
}

/** No limit on statements: a migration takes as long as the server works on it. */
const limits: ConnectionLimits = {
  kind: 'server',
  connectMs: 10_000,
  statementTimeoutMs: 0,
  silenceMs: 5_000,
};
const defaultLockWaitMs = 600_000;
/** Application name of graphile-migrate's connection. */
const applicationName = 'agent_lightning migrations';
const lookEveryMs = 10_000;
/**
 * After this many looks in a row at which the server works on no statement of graphile-migrate, it counts as
 * lost.
 */
const silentLooks = 3;

/**
 * Brings the database to the newest committed migration and makes the partitions of the coming weeks. Any
 * number of processes may call it at once: one works, and the others wait for it. Returns the names of the
 * migrations that it ran.
 */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const client = boundedClient(
    {
      connectionString: options.connectionString,
      ...(options.ssl === undefined ? {} : { ssl: options.ssl }),
      application_name: 'agent_lightning migrate',
    },
    limits,
  );
  // An error between two statements makes the next one fail.
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query(`set role ${quoteIdentifier(roleName(options.rolePrefix, 'owner'))}`);
    // graphile-migrate has a lock as well, but fails at once when it is taken. This one waits.
    const { rows } = await client.query('select pg_try_advisory_lock($1) as free', [migrationLock]);
    if (!rows[0].free) {
      options.log('another process is migrating: waiting for it to finish');
      await waitForLock(client, options.lockWaitMs ?? defaultLockWaitMs);
    }
    const before = await appliedMigrations(client);
    // As the owner role this session could not see the login's other sessions.
    await client.query('set role none');
    const running = runMigrations({
      // The owner owns everything that a migration makes.
      connectionString: named(withRole(options.connectionString, roleName(options.rolePrefix, 'owner'))),
      migrationsFolder,
      placeholders: rolePlaceholders(options.rolePrefix),
      logger: new Logger(() => (level, message) => {
        if (level === 'error') options.log(message);
      }),
    });
    await whileWorkedOn(client, running);
    // graphile-migrate keeps its connection for a while, and ends the process when that connection is lost. An
    // embedded database may close before that.
    clearAllPools();
    await client.query(`set role ${quoteIdentifier(roleName(options.rolePrefix, 'owner'))}`);
    await client.query('select ops.ensure_partitions()');
    return (await appliedMigrations(client)).filter((name) => !before.includes(name));
  } finally {
    await client.end();
  }
}

function named(connectionString: string): string {
  const url = new URL(connectionString);
  url.searchParams.set('application_name', applicationName);
  return url.href;
}

async function waitForLock(client: Client, waitMs: number): Promise<void> {
  await client.query(`set lock_timeout = ${waitMs}`);
  try {
    await client.query('select pg_advisory_lock($1)', [migrationLock]);
  } catch (error) {
    if (!(error instanceof DatabaseError && error.code === '55P03')) throw error;
    throw new MigrationBusy(
      `another process has been migrating for ${waitMs / 1000} s: check whether it still runs, then start again`,
      { cause: error },
    );
  }
  await client.query('reset lock_timeout');
}

/**
 * Waits for graphile-migrate, which makes its own connections. Gives it up when the server works on none of its
 * statements for a while, and when the server itself is silent.
 */
async function whileWorkedOn(client: BoundedClient, running: Promise<void>): Promise<void> {
  let over = false;
  let wake = (): void => {};
  const watching = async (): Promise<void> => {
    for (let silent = 0; ;) {
      await new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, lookEveryMs).unref();
      });
      if (over) return;
      const { rows } = await client.query<{ own: number; working: boolean }>(
        `select pg_backend_pid() as own, exists (
           select from pg_stat_activity
           where application_name = $1
             and (state is null or state = 'active' and wait_event is distinct from 'ClientRead')
         ) as working`,
        [applicationName],
      );
      // Behind a pooler and on the embedded database, the list of sessions is not this connection's.
      if (rows[0]?.own !== client.processId) return;
      silent = rows[0].working ? 0 : silent + 1;
      if (silent < silentLooks) continue;
      const seconds = (silentLooks * lookEveryMs) / 1000;
      throw new ConnectionLost(`the server worked on none of the migration's statements for ${seconds} s`, {
        reason: 'silent',
      });
    }
  };
  try {
    await Promise.race([running, watching().then(() => running)]);
  } finally {
    over = true;
    wake();
    // The outcome of a migration that was given up is ignored.
    running.catch(() => {});
  }
}

/** The database compared with the committed migrations of this version. */
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

/** Numbers of the committed migrations as graphile-migrate's ledger names them (`000001.sql`), oldest first. */
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

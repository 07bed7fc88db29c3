import { readFile, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Logger, migrate as runMigrations } from 'graphile-migrate';
import { clearAllPools } from 'graphile-migrate/dist/pgReal.js';
import { DatabaseError } from 'pg';
import type { Client } from 'pg';
import { OperationalError } from '../operational-error.ts';
import type { BoundedClient, ConnectionLimits } from './bounded-client.ts';
import { clientExecutor } from './client-executor.ts';
import { withRole } from './connection-url.ts';
import { ConnectionLost } from './database.ts';
import type { Executor } from './database.ts';
import { boundedClient } from './pool.ts';
import { migrationPlaceholders, roleName } from './roles.ts';
import { ServerNotPrepared, missingPreparations, missingRights } from './server-preparation.ts';
import { quoteIdentifier, sql } from './statement.ts';
import { noTlsChoice, urlWithTls } from './tls-parameters.ts';
import type { Tls } from './tls.ts';

/** The folder of migrations; committed ones are in `committed/`. */
const migrationsFolder = fileURLToPath(new URL('../../migrations', import.meta.url));

/** An arbitrary number that every process uses for this lock, and for no other. */
const migrationLock = 4_711_020_261;

/** Options of a migration run. The login must be allowed to become `<prefix>_owner`. */
export interface MigrateOptions {
  readonly connectionString: string;
  readonly rolePrefix: string;
  /** Default: none. */
  readonly ssl?: Tls;
  /** Called with each line of progress. */
  readonly log: (line: string) => void;
  /** How long this process waits while another one migrates. Default: ten minutes. */
  readonly lockWaitMs?: number | undefined;
}

/** Another process is migrating and did not finish in time. */
export class MigrationBusy extends OperationalError {
  override name = 'MigrationBusy';
}

/**
 * The database has migrations that were replaced: same numbers, other hashes. No upgrade leads from them to this version.
 * Thrown before anything of the database is changed.
 */
export class MigrationsReplaced extends OperationalError {
  override name = 'MigrationsReplaced';

  constructor() {
    super(
      `${databaseIsReplaced}; nothing of it was changed. Make a new database: \`lightning setup --database\` with another name, or another DATA_DIR for the embedded one`,
    );
  }
}

/** How a database is described whose migrations were replaced. */
export const databaseIsReplaced =
  'the database was made by migrations that were replaced since, and no upgrade leads from them to this version';

/** A migration by its number as graphile-migrate's ledger names it (`000001.sql`), and the hash of its text. */
interface Migration {
  readonly filename: string;
  readonly hash: string;
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
 * migrations that it ran. Throws MigrationBusy, MigrationsReplaced for a database that no migration leads on from, and
 * ServerNotPrepared when something is missing that `lightning setup` makes: a migration would fail on it half-way.
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
    await refuseUnprepared(client, options.rolePrefix);
    await client.query(`set role ${quoteIdentifier(roleName(options.rolePrefix, 'owner'))}`);
    // graphile-migrate has a lock as well, but fails at once when it is taken. This one waits.
    const { rows } = await client.query('select pg_try_advisory_lock($1) as free', [migrationLock]);
    if (!rows[0].free) {
      options.log('another process is migrating: waiting for it to finish');
      await waitForLock(client, options.lockWaitMs ?? defaultLockWaitMs);
    }
    const before = await appliedMigrations(client);
    if (areReplaced(before, await committedMigrations())) throw new MigrationsReplaced();
    // As the owner role this session could not see the login's other sessions.
    await client.query('set role none');
    const running = runMigrations({
      // The owner owns everything that a migration makes.
      connectionString: named(
        withRole(withTls(options, client.isEncrypted), roleName(options.rolePrefix, 'owner')),
      ),
      migrationsFolder,
      placeholders: migrationPlaceholders(options.rolePrefix),
      logger: new Logger(() => (level, message) => {
        if (level === 'error') options.log(message);
      }),
    });
    try {
      await whileWorkedOn(client, running);
    } finally {
      // graphile-migrate keeps its connection for a while, and ends the process when that connection is lost. An
      // embedded database may close before that.
      clearAllPools();
    }
    await client.query(`set role ${quoteIdentifier(roleName(options.rolePrefix, 'owner'))}`);
    await client.query('select ops.ensure_partitions()');
    const known = new Set(before.map(({ filename }) => filename));
    return (await appliedMigrations(client))
      .map(({ filename }) => filename)
      .filter((filename) => !known.has(filename));
  } finally {
    await client.end();
  }
}

async function refuseUnprepared(client: Client, rolePrefix: string): Promise<void> {
  const executor = clientExecutor(client);
  const { rows } = await client.query<{ login: string; database: string }>(
    'select session_user::text as login, current_database()::text as database',
  );
  const { login = '', database = '' } = rows[0] ?? {};
  const missing = [
    ...(await missingPreparations(executor, rolePrefix)),
    ...(await missingRights(executor, rolePrefix, login, 'migrate')),
  ];
  if (missing.length > 0) throw new ServerNotPrepared(missing, database);
}

/** graphile-migrate makes its own connections, and knows nothing but a URL. */
function withTls({ connectionString, ssl = false }: MigrateOptions, isEncrypted: boolean): string {
  const tls = ssl === false ? ({ ...noTlsChoice, mode: 'disable' } as const) : ssl.parameters;
  return urlWithTls(connectionString, tls, isEncrypted);
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
  | { readonly kind: 'ahead'; readonly unknown: readonly string[] }
  /** `migrate` would throw MigrationsReplaced. */
  | { readonly kind: 'replaced' };

/** Compares the database with the committed migrations of this version. Every request role may ask. */
export async function migrationState(executor: Executor): Promise<MigrationState> {
  return compared(await askForMigrations(executor));
}

/**
 * As `migrationState`, for a login that reads every table and may call no function, such as the one of backups. Null: the database was
 * never migrated.
 */
export async function migrationStateByLedger(executor: Executor): Promise<MigrationState | null> {
  const { rows: found } = await executor.query<{ exists: boolean }>(
    sql`select pg_catalog.to_regclass('graphile_migrate.migrations') is not null as exists`,
  );
  if (!found[0]?.exists) return null;
  const { rows } = await executor.query<Migration>(
    sql`select filename, hash from graphile_migrate.migrations order by filename`,
  );
  return compared(rows);
}

async function compared(applied: readonly Migration[] | null): Promise<MigrationState> {
  const committed = await committedMigrations();
  if (applied === null || areReplaced(applied, committed)) return { kind: 'replaced' };
  const missing = namesWithout(committed, applied);
  if (missing.length > 0) return { kind: 'behind', missing };
  const unknown = namesWithout(applied, committed);
  return unknown.length > 0 ? { kind: 'ahead', unknown } : { kind: 'current' };
}

/** Null: the database was made when `ops.applied_migrations` gave no hashes, which no committed migration does. */
async function askForMigrations(executor: Executor): Promise<readonly Migration[] | null> {
  try {
    const { rows } = await executor.query<{ filename: string; hash: string }>(
      sql`select filename, hash from ops.applied_migrations()`,
    );
    return rows;
  } catch (error) {
    if (error instanceof DatabaseError && error.code === '42703') return null;
    throw error;
  }
}

/** Whether a migration of the database has the number of a committed one, and another text. */
function areReplaced(applied: readonly Migration[], committed: readonly Migration[]): boolean {
  const hashes = new Map(committed.map(({ filename, hash }) => [filename, hash]));
  return applied.some(({ filename, hash }) => (hashes.get(filename) ?? hash) !== hash);
}

function namesWithout(migrations: readonly Migration[], others: readonly Migration[]): string[] {
  const names = new Set(others.map(({ filename }) => filename));
  return migrations.map(({ filename }) => filename).filter((filename) => !names.has(filename));
}

/** The committed migrations, oldest first. */
async function committedMigrations(): Promise<readonly Migration[]> {
  const files = (await readdir(`${migrationsFolder}/committed`)).toSorted();
  const found = files.flatMap((file) => {
    const number = /^(\d{6})(?:-.*)?\.sql$/.exec(file)?.[1];
    return number === undefined ? [] : [{ file, filename: `${number}.sql` }];
  });
  return Promise.all(
    found.map(async ({ file, filename }) => {
      const text = await readFile(`${migrationsFolder}/committed/${file}`, 'utf8');
      const hash = /^--! Hash: (\S+)$/m.exec(text)?.[1];
      if (hash === undefined) throw new Error(`migrations/committed/${file} has no line "--! Hash:"`);
      return { filename, hash };
    }),
  );
}

async function appliedMigrations(client: Client): Promise<readonly Migration[]> {
  const { rows: found } = await client.query("select to_regclass('graphile_migrate.migrations') as ledger");
  if (found[0].ledger === null) return [];
  const { rows } = await client.query<Migration>(
    'select filename, hash from graphile_migrate.migrations order by filename',
  );
  return rows;
}

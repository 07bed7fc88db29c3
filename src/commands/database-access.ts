import { userInfo } from 'node:os';
import { anonymous, claimsOf } from '../auth/claims.ts';
import { asRequester } from '../auth/requester.ts';
import type { Config } from '../config/config.ts';
import type { Database, Executor } from '../db/database.ts';
import { asOwner } from '../db/installation.ts';
import type { Installation } from '../db/installation.ts';
import type { LoginKind } from '../db/login-needs.ts';
import {
  apiDatabase,
  auditorDatabase,
  ConnectionsError,
  operatorDatabase,
  workerDatabase,
} from '../open-database.ts';
import { sql } from '../db/statement.ts';
import type { Connections } from '../open-database.ts';
import { requireOwnSession } from '../own-session.ts';
import type { SessionNeed } from '../own-session.ts';
import type { CommandContext } from './command-context.ts';
import { configure } from './configure.ts';
import { migrateTo } from './migrate.ts';
import { requireSchema, requireSchemaByLedger } from './require-schema.ts';
import { UsageError } from './usage-error.ts';
import { closing, withConnections } from './with-connections.ts';

// The identities under which a command works on the database. A command never opens or closes a database
// itself: what `work` is given is closed once `work` has settled. All of these reject with ConfigError, with
// ConnectionsError when a login that is needed is not configured, and with NoDatabase when the embedded
// database does not exist and the command does not make it. All but asApi reject as requireSchema does.

/**
 * A command's use of an embedded database. `make` creates a missing one, `change` works on an existing one, and
 * `look` leaves everything as it is. `make` and `change` migrate it; on a server, migrating is a step of its
 * own.
 */
export type Need = 'make' | 'change' | 'look';

/** The database for `asWorker`'s work. */
export interface WorkerAccess {
  readonly config: Config;
  readonly connections: Connections;
  /** Connects as the worker's login, under its role. */
  readonly database: Database;
}

/** The database for `asApi`'s work. */
export interface ApiAccess {
  readonly connections: Connections;
  /** Connects as the API's login, or as another one where that is not usable. Null: none is. */
  readonly executor: Executor | null;
  /** The same as a request without a token, where it is the API's login. */
  readonly anyone: Executor | null;
  /** Reads the ops views. Returns null without calling `work` when no login that may read them is usable. */
  asReader<T>(work: (executor: Executor) => Promise<T>): Promise<T | null>;
}

/**
 * Works as the migrations' login: on tenants, logins and imports. `session` is the reason why the server's own
 * session is needed; null: a pooler may be in between.
 */
export function asOperator<T>(
  context: CommandContext,
  need: Need,
  work: (installation: Installation) => Promise<T>,
  session: SessionNeed | null = null,
): Promise<T> {
  return asLogin(context, need, session, async ({ connections, config }) => {
    const database = operatorDatabase(connections, config, context.log);
    return closing(database, async () => {
      const installation = { database, rolePrefix: config.rolePrefix };
      await requireSchema(asOwner(installation), olderSchema(connections));
      return work(installation);
    });
  });
}

/** Works as the worker, in its place or beside it. */
export function asWorker<T>(
  context: CommandContext,
  need: Need,
  work: (access: WorkerAccess) => Promise<T>,
): Promise<T> {
  return asLogin(context, need, 'worker', async ({ connections, config }) => {
    const worker = workerDatabase(connections, config, context.log);
    return closing(worker, async () => {
      await requireSchema(worker.database, olderSchema(connections));
      return work({ config, connections, database: worker.database });
    });
  });
}

/**
 * Reads every row of every tenant, as the login of backups, or as the superuser that an embedded database has. A login for which
 * policies filter rows gets an error, so that what it may not see never looks like what is not there. Changes nothing.
 */
export function asAuditor<T>(context: CommandContext, work: (executor: Executor) => Promise<T>): Promise<T> {
  return asBackupLogin(context, ({ database }) =>
    work({ query: (statement) => database.queryWith({ row_security: 'off' }, statement) }),
  );
}

/** As `asAuditor`, for work that needs a transaction: it has to switch row_security off. */
export function asExporter<T>(
  context: CommandContext,
  work: (access: { readonly database: Database; readonly config: Config }) => Promise<T>,
): Promise<T> {
  return asBackupLogin(context, async ({ database, connections, config }) => {
    await requireSchemaByLedger(database, olderSchema(connections));
    return work({ database, config });
  });
}

function asBackupLogin<T>(
  context: CommandContext,
  work: (access: {
    readonly database: Database;
    readonly connections: Connections;
    readonly config: Config;
  }) => Promise<T>,
): Promise<T> {
  return asLogin(context, 'look', null, async ({ connections, config }) => {
    const url =
      connections.kind === 'embedded' ? connections.api : (config.server?.backupUrl?.reveal() ?? null);
    if (url === null) {
      throw new ConnectionsError(
        'expected BACKUP_DATABASE_URL to be set, a login that row-level security does not filter; `lightning setup` prints it when it makes the login',
      );
    }
    const database = auditorDatabase(url, connections, config, context.log);
    return closing(database, () => work({ database, connections, config }));
  });
}

/** Reads the ops views. Changes nothing. */
export function asReader<T>(context: CommandContext, work: (executor: Executor) => Promise<T>): Promise<T> {
  return asLogin(context, 'look', 'worker', async ({ connections, config }) => {
    const reader = openReader(connections, config, context);
    if (reader === null) {
      throw new ConnectionsError(
        'expected WORKER_DATABASE_URL or MIGRATE_DATABASE_URL to be set; `lightning setup` prints them when it makes the logins',
      );
    }
    return closing(reader, async () => {
      await requireSchema(reader.executor, olderSchema(connections));
      return work(reader.executor);
    });
  });
}

/**
 * Works as an administrator of a tenant, through the API's login, as a request does. The audit log names the user of this
 * machine as the subject, which proves nothing: the login could name another. Rejects with UsageError when the tenant does not exist.
 */
export function asAdministrator<T>(
  context: CommandContext,
  tenant: string,
  work: (executor: Executor) => Promise<T>,
): Promise<T> {
  return asLogin(context, 'look', null, async ({ connections, config }) => {
    if (connections.api === null) {
      throw new ConnectionsError(
        'expected DATABASE_URL to be set; `lightning setup` prints it when it makes the logins',
      );
    }
    const database = apiDatabase(connections, config, context.log);
    return closing(database, async () => {
      const installation = { database, rolePrefix: config.rolePrefix };
      await requireSchema(asRequester(installation, anonymous), olderSchema(connections));
      const executor = asRequester(
        installation,
        claimsOf('admin', tenant, `${userInfo().username} (lightning)`),
      );
      const { rows } = await executor.query(sql`select from app_public.tenants where id = ${tenant}`);
      if (rows.length === 0) {
        throw new UsageError(`tenant ${tenant} does not exist; to list those that do: lightning tenant list`);
      }
      return work(executor);
    });
  });
}

/**
 * Looks at the database as the API sees it, in whatever state it is: the schema may be absent. `usable`: the logins of a
 * server that can be used; left out: all that are configured.
 */
export function asApi<T>(
  context: CommandContext,
  config: Config,
  work: (access: ApiAccess) => Promise<T>,
  usable?: ReadonlySet<LoginKind>,
): Promise<T> {
  return withConnections(context, config, { make: false }, async (connections) => {
    const only = (kind: 'api' | 'worker' | 'migrate'): string | null =>
      usable === undefined || usable.has(kind) ? connections[kind] : null;
    const open = { ...connections, api: only('api'), worker: only('worker'), migrate: only('migrate') };
    const readWith: ApiAccess['asReader'] = async (read) => {
      const reader = openReader(open, config, context);
      return reader === null ? null : closing(reader, () => read(reader.executor));
    };
    if (open.api !== null) {
      const database = apiDatabase(open, config, context.log);
      const anyone = asRequester({ database, rolePrefix: config.rolePrefix }, anonymous);
      return closing(database, () => work({ connections, executor: database, anyone, asReader: readWith }));
    }
    const reader = openReader(open, config, context);
    if (reader === null) return work({ connections, executor: null, anyone: null, asReader: readWith });
    const { executor } = reader;
    return closing(reader, () => work({ connections, executor, anyone: executor, asReader: readWith }));
  });
}

/**
 * An embedded database was migrated by now, unless the command only looks. On a server migrating is a step of its
 * own, and a backup comes before it.
 */
function olderSchema({ kind }: Connections): 'refused' | 'accepted' {
  return kind === 'embedded' ? 'refused' : 'accepted';
}

function asLogin<T>(
  context: CommandContext,
  need: Need,
  session: SessionNeed | null,
  work: (found: { readonly connections: Connections; readonly config: Config }) => Promise<T>,
): Promise<T> {
  const config = configure(context);
  return withConnections(context, config, { make: need === 'make' }, async (connections) => {
    if (session !== null) await requireOwnSession(connections, session);
    if (connections.kind === 'embedded' && need !== 'look') await migrateTo(connections, config, context.log);
    return work({ connections, config });
  });
}

/**
 * Reads the ops views: as the worker if its login is configured, else as the owner, through the migrations'
 * login.
 */
interface Reader {
  readonly executor: Executor;
  close(): Promise<void>;
}

/** Null: neither login is configured. */
function openReader(connections: Connections, config: Config, { log }: CommandContext): Reader | null {
  if (connections.worker !== null) {
    const { database, close } = workerDatabase(connections, config, log);
    return { executor: database, close };
  }
  if (connections.migrate === null) return null;
  const database = operatorDatabase(connections, config, log);
  return {
    executor: asOwner({ database, rolePrefix: config.rolePrefix }),
    close: () => database.close(),
  };
}

import type { Config } from '../config/config.ts';
import type { Database, Executor } from '../db/database.ts';
import { roleName } from '../db/roles.ts';
import { scopedTo } from '../db/scoped-database.ts';
import { apiDatabase, ConnectionsError, operatorDatabase, workerDatabase } from '../open-database.ts';
import type { Connections } from '../open-database.ts';
import { requireOwnSession } from '../own-session.ts';
import type { SessionNeed } from '../own-session.ts';
import type { AsKeeper } from '../retention/keeper.ts';
import type { CommandContext } from './command-context.ts';
import { configure } from './configure.ts';
import { migrateTo } from './migrate.ts';
import { requireSchema } from './require-schema.ts';
import { closing, withConnections } from './with-connections.ts';

// The identities under which a command works on the database. A command never opens or closes a database
// itself: what `work` is given is closed once `work` has settled. All of these reject with ConfigError, with
// ConnectionsError when a login that is needed is not configured, and with NoDatabase when the embedded
// database does not exist and the command does not make it.

/**
 * A command's use of an embedded database. `make` creates a missing one, `change` works on an existing one, and
 * `look` leaves everything as it is. `make` and `change` migrate it; on a server, migrating is a step of its
 * own.
 */
export type Need = 'make' | 'change' | 'look';

/** The database for `asOperator`'s work. */
export interface OperatorAccess {
  readonly config: Config;
  /** Connects as the migrations' login. */
  readonly database: Database;
}

/** The database for `asWorker`'s work. */
export interface WorkerAccess {
  readonly config: Config;
  readonly connections: Connections;
  /** Connects as the worker's login, under its role. */
  readonly database: Database;
  readonly asKeeper: AsKeeper;
}

/** The database for `asApi`'s work. */
export interface ApiAccess {
  readonly connections: Connections;
  /** Connects as the API's login, without a requester. */
  readonly database: Database;
  /** Reads the ops views. Returns null without calling `work` when no login that may read them is configured. */
  asReader<T>(work: (executor: Executor) => Promise<T>): Promise<T | null>;
}

/**
 * Works as the migrations' login: on tenants, logins and imports. `session` is the reason why the server's own
 * session is needed; null: a pooler may be in between.
 */
export function asOperator<T>(
  context: CommandContext,
  need: Need,
  work: (access: OperatorAccess) => Promise<T>,
  session: SessionNeed | null = null,
): Promise<T> {
  return asLogin(context, need, session, async ({ connections, config }) => {
    const database = operatorDatabase(connections, config, context.log);
    return closing(database, async () => {
      if (need === 'look' && connections.kind === 'embedded') await requireSchema(database);
      return work({ config, database });
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
      if (need === 'look' && connections.kind === 'embedded') await requireSchema(worker.database);
      return work({ config, connections, database: worker.database, asKeeper: worker.asKeeper });
    });
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
      if (connections.kind === 'embedded') await requireSchema(reader.executor);
      return work(reader.executor);
    });
  });
}

/** Looks at the database as the API sees it, in whatever state it is: the schema may be absent. */
export function asApi<T>(
  context: CommandContext,
  config: Config,
  work: (access: ApiAccess) => Promise<T>,
): Promise<T> {
  return withConnections(context, config, { make: false }, async (connections) => {
    const database = apiDatabase(connections, config, context.log);
    return closing(database, () =>
      work({
        connections,
        database,
        asReader: async (read) => {
          const reader = openReader(connections, config, context);
          return reader === null ? null : closing(reader, () => read(reader.executor));
        },
      }),
    );
  });
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
    executor: scopedTo(database, { role: roleName(config.rolePrefix, 'owner') }),
    close: () => database.close(),
  };
}

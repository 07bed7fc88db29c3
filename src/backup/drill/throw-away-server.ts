import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { runCommand } from '../../programs/command.ts';
import { keep } from '../../programs/keeper.ts';
import type { Kept } from '../../programs/keeper.ts';
import { temporaryDirectory } from '../../programs/server-user.ts';
import type { ServerUser } from '../../programs/server-user.ts';
import { drillProgram } from './drill-programs.ts';
import type { DrillPrograms } from './drill-programs.ts';

/** A server on a copy of a database. It listens on a socket that nobody else can open, and on no port. */
export interface ThrowAwayServer {
  /** Superuser of a database of the copy. */
  url(databaseName: string): string;
  /** `host` for node-postgres and Postgres's programs. */
  readonly socketDirectory: string;
  /** Ends it in order; the copy stays. May be called more than once. */
  stop(): Promise<void>;
}

/** The server does not come up on the copy. The message ends with its log. */
export class CopyUnusable extends Error {
  override name = 'CopyUnusable';
}

export interface ThrowAwayServerOptions {
  /** Of the copy's major version. */
  readonly programs: DrillPrograms;
  /** The copy, which belongs to `user` and says itself how far to replay. */
  readonly dataDirectory: string;
  /** Postgres refuses to run as root. Undefined: as ourselves. */
  readonly user: ServerUser | undefined;
  /** A superuser of the database that was backed up. */
  readonly superuser: string;
  readonly signal: AbortSignal;
}

/**
 * Starts a server on a copy and waits until it has replayed what it should and takes writes. None of the original's
 * configuration is used but what replay needs: no port, no archiving, no replication, no libraries. It ends with this
 * process, however that ends. Rejects with CopyUnusable when it does not come up.
 */
export async function startThrowAwayServer(options: ThrowAwayServerOptions): Promise<ThrowAwayServer> {
  const { programs, dataDirectory, user, superuser, signal } = options;
  const directory = await mkdtemp(join(await temporaryDirectory(user, false), 'lightning-drill-'));
  try {
    await chmod(directory, 0o700);
    await writeFile(join(directory, 'pg_hba.conf'), 'local all all trust\n');
    await writeFile(join(directory, 'pg_ident.conf'), '');
    await writeFile(join(directory, 'postgresql.conf'), '');
    if (user) {
      for (const name of ['pg_hba.conf', 'pg_ident.conf', 'postgresql.conf', '.']) {
        await chown(join(directory, name), user.uid, user.gid);
      }
    }
    const settings = { ...isolation(directory), ...(await sizesOfOriginal(options)) };
    const server = await keep({
      directory,
      program: drillProgram(programs, 'postgres'),
      args: [
        '-D',
        dataDirectory,
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      user,
      env: programs.environment,
    });
    const url = (databaseName: string) =>
      `postgres://${encodeURIComponent(superuser)}@/${encodeURIComponent(databaseName)}?host=${encodeURIComponent(directory)}`;
    try {
      await untilPromoted(server, url('postgres'), signal);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return { url, socketDirectory: directory, stop: server.stop };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Given on the command line, which is stronger than what `alter system` left in the copy. */
function isolation(directory: string): Readonly<Record<string, string>> {
  return {
    config_file: join(directory, 'postgresql.conf'),
    hba_file: join(directory, 'pg_hba.conf'),
    ident_file: join(directory, 'pg_ident.conf'),
    external_pid_file: '',
    listen_addresses: '',
    port: '5432',
    unix_socket_directories: directory,
    ssl: 'off',
    shared_preload_libraries: '',
    session_preload_libraries: '',
    archive_mode: 'off',
    primary_conninfo: '',
    primary_slot_name: '',
    synchronous_standby_names: '',
    summarize_wal: 'off',
    autovacuum: 'off',
    logging_collector: 'off',
    log_destination: 'stderr',
    shared_buffers: '128MB',
    // Nothing of it is to be kept.
    fsync: 'off',
    full_page_writes: 'off',
  };
}

/** Replay refuses a server that is smaller than the one that wrote the WAL. */
async function sizesOfOriginal({
  programs,
  dataDirectory,
  user,
}: ThrowAwayServerOptions): Promise<Readonly<Record<string, string>>> {
  const control = await runCommand(drillProgram(programs, 'pg_controldata'), [dataDirectory], {
    env: programs.environment,
    user,
  });
  const settings = {
    max_connections: 'max_connections',
    max_worker_processes: 'max_worker_processes',
    max_wal_senders: 'max_wal_senders',
    max_prepared_xacts: 'max_prepared_transactions',
    max_locks_per_xact: 'max_locks_per_transaction',
  };
  return Object.fromEntries(
    Object.entries(settings).map(([label, setting]) => {
      const value = new RegExp(`^${label} setting: +(\\d+)$`, 'm').exec(control)?.[1];
      if (value === undefined) throw new Error(`pg_controldata says nothing of ${label}:\n${control}`);
      return [setting, value];
    }),
  );
}

async function untilPromoted(server: Kept, url: string, signal: AbortSignal): Promise<void> {
  while (!server.hasEnded()) {
    signal.throwIfAborted();
    if (await takesWrites(url)) return;
    await sleep(100);
  }
  throw new CopyUnusable(`the copy cannot be started; the end of its log:\n${await server.log()}`);
}

async function takesWrites(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  // A client whose server goes away says so by an event as well, which without a listener ends the process.
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query('select not pg_is_in_recovery() as promoted');
    return rows[0].promoted === true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

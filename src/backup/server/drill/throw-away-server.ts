import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keep } from '../../../programs/keeper.ts';
import { temporaryDirectory } from '../../../programs/server-user.ts';
import type { CommandUser } from '../../../programs/command.ts';
import { programFile } from '../programs.ts';
import { recoverServer } from '../recover.ts';
import type { DrillPrograms } from './drill-programs.ts';

/** A server on a copy of a database. It listens only on a socket that other users cannot open, and on no port. */
export interface ThrowAwayServer {
  /** The URL of a database of the copy, as its superuser. */
  url(databaseName: string): string;
  /** The `host` parameter for node-postgres and Postgres's programs. */
  readonly socketDirectory: string;
  /** Stops the server in order; the copy stays. May be called more than once. */
  stop(): Promise<void>;
}

export interface ThrowAwayServerOptions {
  /** Programs of the copy's major version. */
  readonly programs: DrillPrograms;
  /** The copy. It belongs to `user`, and its own settings say how far to replay. */
  readonly dataDirectory: string;
  /** The user to run as, because Postgres refuses to run as root. Undefined: the user of this process. */
  readonly user: CommandUser | undefined;
  /** A superuser of the database that was backed up. */
  readonly superuser: string;
  readonly signal: AbortSignal;
}

/**
 * Starts a server on a copy, as `lightning recover` does, and waits until it has replayed its WAL and takes writes.
 * The parts of the original's configuration that would make it visible or active outside are switched off: ports,
 * archiving, replication, libraries. The server ends with this process, however that ends. Rejects with CopyUnusable
 * when it does not come up.
 */
export async function startThrowAwayServer(options: ThrowAwayServerOptions): Promise<ThrowAwayServer> {
  const { programs, dataDirectory, user, superuser, signal } = options;
  const directory = await mkdtemp(join(await temporaryDirectory(user, false), 'lightning-drill-'));
  try {
    await chmod(directory, 0o700);
    await writeFile(join(directory, 'pg_hba.conf'), 'local all all trust\n');
    await writeFile(join(directory, 'pg_ident.conf'), '');
    if (user) {
      for (const name of ['pg_hba.conf', 'pg_ident.conf', '.']) {
        await chown(join(directory, name), user.uid, user.gid);
      }
    }
    const url = (databaseName: string) =>
      `postgres://${encodeURIComponent(superuser)}@/${encodeURIComponent(databaseName)}?host=${encodeURIComponent(directory)}`;
    const server = await recoverServer({
      dataDirectory,
      settings: isolation(directory),
      launch: (args) =>
        keep({
          directory,
          program: programFile(programs, 'postgres'),
          args,
          user,
          env: programs.environment,
        }),
      signal,
    });
    return { url, socketDirectory: directory, stop: server.stop };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Settings for the command line, which overrides whatever `alter system` left in the copy. */
function isolation(directory: string): Readonly<Record<string, string>> {
  return {
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
    shared_buffers: '128MB',
    huge_pages: 'off',
    // The copy is thrown away, so nothing has to survive a crash.
    fsync: 'off',
    full_page_writes: 'off',
  };
}

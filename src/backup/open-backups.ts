import type { Config } from '../config/config.ts';
import { tlsOf } from '../db/tls.ts';
import { embeddedConnectionString } from '../embedded/embedded.ts';
import type { Log } from '../log.ts';
import type { Backups, StoredBackups } from './backups.ts';
import { embeddedBackups, storedSnapshots } from './embedded/embedded-backups.ts';
import { configuredPrograms } from './server/configured-programs.ts';
import { serverBackups, storedServerBackups } from './server/server-backups.ts';
import { openVault, refuseMissing } from './store/open-store.ts';
import { storedBackups } from './stored-backups.ts';

/** The backups of the configured database. Null: `why` says, as text for people, why there are none and what to do. */
export type OpenedBackups = { readonly backups: Backups } | { readonly backups: null; readonly why: string };

/**
 * The backups of the configured database in the configured store. Nothing is opened yet, and the caller has nothing
 * to close.
 */
export function openBackups(config: Config, log: Log, now: () => Date): OpenedBackups {
  const { backup, server } = config;
  if (!config.useDatabase) {
    return none('USE_DATABASE=false keeps nothing, so there is nothing to back up');
  }
  if (server && !server.backupUrl) {
    return none('BACKUP_DATABASE_URL is missing; `lightning setup` prints it when it makes the login');
  }
  if (!backup.store) {
    return none('BACKUP_STORE is missing: set it to a directory or to s3://bucket/prefix');
  }
  if (backup.publicKeys.length > 0 && !backup.signingKey) {
    return none(
      'BACKUP_PUBLIC_KEY is set and BACKUP_SIGNING_KEY is not, so a backup made here would be refused; set both, or only read what is stored',
    );
  }
  const common = {
    openVault: (waits = {}) => openVault(backup, waits),
    window: { days: backup.retentionDays },
    drillDirectory: backup.drillDirectory,
    now,
  };
  if (!server?.backupUrl) {
    const { dataDirectory } = config;
    const connectionString = embeddedConnectionString(dataDirectory);
    return { backups: embeddedBackups({ ...common, dataDirectory, connectionString }) };
  }
  const url = server.backupUrl.reveal();
  return {
    backups: serverBackups({
      ...common,
      connection: { url, ssl: tlsOf(server.tls, url) },
      spoolDirectory: backup.spoolDirectory,
      // One slot for each installation: several installations may share a server.
      slot: `${config.rolePrefix}_backup`,
      synchronous: backup.synchronousWal,
      findPrograms: configuredPrograms(config),
      pool: config.pool,
      log,
    }),
  };
}

/**
 * Everything in the configured store, without a database. Nothing is opened yet; each call rejects with NoBackupStore
 * when no store is configured, or its directory does not exist.
 */
export function openStoredBackups(config: Config): StoredBackups {
  const { backup } = config;
  const store = {
    openVault: async (waits = {}) => {
      await refuseMissing(backup);
      return openVault(backup, waits);
    },
  };
  const { spoolDirectory } = backup;
  return storedBackups([
    storedServerBackups({ ...store, spoolDirectory, findPrograms: configuredPrograms(config) }),
    storedSnapshots(store),
  ]);
}

function none(why: string): OpenedBackups {
  return { backups: null, why };
}

import type { Config } from '../../config/config.ts';
import { tlsOf } from '../../db/connection-url.ts';
import { openVault } from '../store/open-store.ts';
import type { Vault } from '../vault.ts';
import { findPrograms } from './programs.ts';
import type { ServerPrograms } from './programs.ts';
import { ServerNotReady } from './server-facts.ts';
import type { ServerConnection } from './server-facts.ts';

/** What backups of a server work with, as the configuration says it. */
export interface ConfiguredBackups {
  readonly connection: ServerConnection;
  readonly vault: Vault;
  readonly spoolDirectory: string;
  readonly slot: string;
  readonly synchronous: boolean;
  readonly findPrograms: (major: number) => Promise<ServerPrograms>;
}

/** Rejects with ServerNotReady or NoBackupStore when the configuration does not name the login or the store. */
export async function configuredBackups(config: Config): Promise<ConfiguredBackups> {
  const { server, backup } = config;
  if (!server?.backupUrl) {
    throw new ServerNotReady(
      'BACKUP_DATABASE_URL is missing; `lightning setup` prints it when it makes the login',
    );
  }
  const url = server.backupUrl.reveal();
  return {
    connection: { url, ssl: tlsOf(server.ssl, url) },
    vault: await openVault(backup),
    spoolDirectory: backup.spoolDirectory,
    slot: slotName(config),
    synchronous: backup.synchronousWal,
    findPrograms: configuredPrograms(config),
  };
}

/** Finds the programs where the configuration says. A restore needs no more of it, and the store. */
export function configuredPrograms({ backup }: Config): (major: number) => Promise<ServerPrograms> {
  return (major) =>
    findPrograms({ major, binDirectory: backup.binDirectory, env: backup.programEnvironment });
}

/** One slot for an installation: several of them may share a server. */
export function slotName({ rolePrefix }: Config): string {
  return `${rolePrefix}_backup`;
}

import type { Config } from '../../config/config.ts';
import type { Log } from '../../log.ts';
import type { RecoveryWindow } from '../retention.ts';
import type { OpenVault } from '../store/open-store.ts';
import type { ServerPrograms } from './programs.ts';
import type { ServerConnection } from './server-facts.ts';

/** What backups of a server are read with: the store, and programs. */
export interface StoredServerBackupsOptions {
  readonly openVault: OpenVault;
  /** Of the receiver, when it is at hand: what it had not archived yet. */
  readonly spoolDirectory: string;
  /** Those of a major version. Rejects with ProgramsMissing. */
  readonly findPrograms: (major: number) => Promise<ServerPrograms>;
}

/** What backups of a server are made with, too. */
export interface ServerBackupsOptions extends StoredServerBackupsOptions {
  /** Of the login of backups. */
  readonly connection: ServerConnection;
  readonly slot: string;
  /** Whether every write is confirmed at once, for a server that waits for it. */
  readonly synchronous: boolean;
  readonly window: RecoveryWindow;
  /** Where drills make their copies. */
  readonly drillDirectory: string;
  /** The limits of connections. */
  readonly pool: Config['pool'];
  readonly log: Log;
  readonly now: () => Date;
}

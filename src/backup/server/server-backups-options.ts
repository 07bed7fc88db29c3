import type { Config } from '../../config/config.ts';
import type { Log } from '../../log.ts';
import type { RecoveryWindow } from '../retention.ts';
import type { OpenVault } from '../store/open-store.ts';
import type { ServerPrograms } from './programs.ts';
import type { ServerConnection } from './server-facts.ts';

/** The means to read backups of a server: the store, and programs. */
export interface StoredServerBackupsOptions {
  readonly openVault: OpenVault;
  /** The spool of the receiver, for WAL that it had not archived yet, when its machine is at hand. */
  readonly spoolDirectory: string;
  /** Finds the programs of a major version. Rejects with ProgramsMissing. */
  readonly findPrograms: (major: number) => Promise<ServerPrograms>;
}

/** The additional means to make backups of a server. */
export interface ServerBackupsOptions extends StoredServerBackupsOptions {
  /** The connection of the backup login. */
  readonly connection: ServerConnection;
  readonly slot: string;
  /** Whether the receiver confirms every write at once, for a server that waits for it. */
  readonly synchronous: boolean;
  readonly window: RecoveryWindow;
  /** The parent directory of the copies that drills make. */
  readonly drillDirectory: string;
  /** The limits of connections. */
  readonly pool: Config['pool'];
  readonly log: Log;
  readonly now: () => Date;
}

import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { findPrograms } from '../../src/backup/server/programs.ts';
import type { ServerPrograms } from '../../src/backup/server/programs.ts';
import { receiveWal } from '../../src/backup/server/wal/receive-wal.ts';
import type { Receiving } from '../../src/backup/server/wal/receive-wal.ts';
import { backUpServer } from '../../src/backup/server/back-up-server.ts';
import type { ServerBackup, ServerBackupOptions } from '../../src/backup/server/back-up-server.ts';
import { connectForReplication, serverFacts } from '../../src/backup/server/server-facts.ts';
import type { ServerFacts } from '../../src/backup/server/server-facts.ts';
import { DirectoryStore } from '../../src/backup/store/directory-store.ts';
import { makeVault } from '../../src/backup/vault.ts';
import type { Vault } from '../../src/backup/vault.ts';
import { serverUser, temporaryDirectory } from '../../src/programs/server-user.ts';
import { startOwnServer } from './postgres/own-server.ts';
import type { OwnServer } from './postgres/own-server.ts';
import { startWriteLoad } from './write-load.ts';
import type { WriteLoad } from './write-load.ts';

/** A server whose WAL is received into a store while a load writes to it. */
export interface BackedUpServer {
  readonly own: OwnServer;
  readonly facts: ServerFacts;
  readonly programs: ServerPrograms;
  readonly receiving: Receiving;
  readonly load: WriteLoad;
  /** A directory that the server's user can enter; `store` and `spool` are in it. */
  readonly folder: string;
  /** The options of its backups; their signal is never aborted. */
  readonly options: ServerBackupOptions;
  backUp(requested: 'full' | 'incremental'): Promise<ServerBackup>;
  /** Ends everything, and removes the folder. */
  close(): Promise<void>;
}

/**
 * Starts a server with its receiver. `synchronous`: the server acknowledges a commit only once its WAL was received.
 * `vault`: where the backups go; by default unencrypted into `store` in the folder.
 */
export async function startBackedUpServer(
  binDirectory: string,
  {
    synchronous = false,
    partialEveryMs = 500,
    pauseMs = 2,
    vault,
  }: {
    readonly synchronous?: boolean;
    readonly partialEveryMs?: number;
    readonly pauseMs?: number;
    readonly vault?: Vault;
  } = {},
): Promise<BackedUpServer> {
  const folder = await mkdtemp(
    join(await temporaryDirectory(await serverUser(), false), 'lightning-backed-up-'),
  );
  await chmod(folder, 0o711);
  const own = await startOwnServer(binDirectory);
  const connection = { url: own.urls.backup, ssl: undefined };
  const client = await connectForReplication(connection);
  const facts = await serverFacts(client);
  await client.end();
  const programs = await findPrograms({ major: facts.major, binDirectory, env: process.env });
  const options: ServerBackupOptions = {
    connection,
    findPrograms: async () => programs,
    vault: vault ?? makeVault(new DirectoryStore(join(folder, 'store')), null),
    spoolDirectory: join(folder, 'spool'),
    slot: 'lightning_backup',
    requested: 'auto',
    signal: new AbortController().signal,
    log: () => {},
    now: () => new Date(),
  };
  const receiving = await receiveWal({
    ...options,
    programs,
    systemIdentifier: facts.systemIdentifier,
    synchronous,
    partialEveryMs,
  });
  if (synchronous) await waitForReceiver(own, options.slot);
  const load = startWriteLoad(own.urls.api, { pauseMs });
  return {
    own,
    facts,
    programs,
    receiving,
    load,
    folder,
    options,
    backUp: (requested) => backUpServer({ ...options, requested }),
    close: async () => {
      await load.stop();
      await receiving.stop();
      await own.stop();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** From now on commits wait for the receiver of the slot. */
async function waitForReceiver({ adminUrl }: OwnServer, slot: string): Promise<void> {
  const admin = new Client({ connectionString: adminUrl });
  await admin.connect();
  try {
    await admin.query(`alter system set synchronous_standby_names = '${slot}'`);
    await admin.query('select pg_reload_conf()');
  } finally {
    await admin.end();
  }
}

import type {
  BackupList,
  Backups,
  ListedBackup,
  Reach,
  Removal,
  RestoreOptions,
  StoredBackups,
  TakenBackup,
  Work,
} from '../backups.ts';
import type { DrillVerdict } from '../drill-verdict.ts';
import { readManifests } from '../manifest.ts';
import type { ReadManifest } from '../manifest.ts';
import { recordBackups } from '../record-backups.ts';
import { removeExpired } from '../remove-expired.ts';
import { RestoreRefused, nothingReadable } from '../restore-refused.ts';
import { describeTarget } from '../restore-target.ts';
import { backUpServer } from './back-up-server.ts';
import { backupsDatabase } from './backups-database.ts';
import { findDrillPrograms } from './drill/drill-programs.ts';
import { drillServer } from './drill/server-drill.ts';
import { chainOf } from './plan-backup.ts';
import { ProgramsMissing } from './programs.ts';
import { reachableWindow } from './reachable-window.ts';
import { restoreServerBackup } from './restore.ts';
import type { ServerBackupsOptions, StoredServerBackupsOptions } from './server-backups-options.ts';
import { connectForReplication, serverFacts } from './server-facts.ts';
import { serverStatusLines } from './status-lines.ts';
import { verifyServerBackups } from './verify.ts';
import { keepReceiving } from './wal/keep-receiving.ts';
import { receiveMeanwhile } from './wal/receive-meanwhile.ts';

/** Backups of a server: base backups, full and incremental, and the write-ahead log between them. */
export function serverBackups(options: ServerBackupsOptions): Backups {
  const { openVault, window, slot } = options;
  return {
    ...storedServerBackups(options),
    buildsOnEarlier: true,
    receiving: { slot, start: (how) => keepReceiving(options, how) },
    take: async (requested, work): Promise<TakenBackup> => {
      const { backup, why } = await backUpServer({
        ...options,
        ...work,
        vault: await openVault(),
        requested,
      });
      const stored = Math.ceil(storedBytesOf(backup) / 1_000_000);
      return { id: backup.id, summary: `${backup.id}, ${stored} MB stored: ${why}` };
    },
    drill: (work) => drillNewest(options, work),
    removeExpired: async (now): Promise<Removal> => {
      const { backups, wal, halves } = await removeExpired({ vault: await openVault(), window, now });
      return {
        backups,
        summary:
          backups.length + wal + halves.length > 0
            ? `removed ${backups.length} expired backups, ${wal} files of WAL and ${halves.length} halves`
            : null,
      };
    },
    record: async (executor) => recordBackups(executor, await openVault()),
    statusLines: () => serverStatusLines(options),
  };
}

/** The backups of servers in a store. */
export function storedServerBackups(options: StoredServerBackupsOptions): StoredBackups {
  const { openVault, spoolDirectory } = options;
  return {
    list: async (): Promise<BackupList> => {
      const vault = await openVault();
      const { manifests, damaged } = await readManifests(vault, 'server');
      return {
        store: vault.store.name,
        backups: manifests
          .map((backup) => describe(backup, manifests))
          .toSorted((a, b) => Date.parse(a.endedAt) - Date.parse(b.endedAt)),
        damaged: damaged.map(({ message }) => message),
      };
    },
    reach: () => reachInWords(options),
    verify: async (work) => verifyServerBackups({ vault: await openVault(), spoolDirectory, ...work }),
    restore: (how) => restoreNewest(options, how),
  };
}

function storedBytesOf({ manifest }: ReadManifest): number {
  return manifest.objects.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
}

function describe(backup: ReadManifest, all: readonly ReadManifest[]): ListedBackup {
  const { id, manifest } = backup;
  const chain = chainOf(backup, all);
  return {
    id,
    endedAt: manifest.endedAt,
    storedBytes: storedBytesOf(backup),
    position: `timeline ${manifest.server?.timeline}, until ${manifest.server?.endLsn}`,
    isBroken: 'broken' in chain,
    parent: 'broken' in chain ? `BROKEN: ${chain.what}` : manifest.parent ? `on ${manifest.parent.id}` : '',
  };
}

/** The major version of the newest backup; null: the store has no backup of a server. */
function majorOf(manifests: readonly ReadManifest[]): number | null {
  const version = manifests.at(-1)?.manifest.server?.version;
  return version === undefined ? null : Number.parseInt(version, 10);
}

async function reachInWords({
  openVault,
  spoolDirectory,
  findPrograms,
}: StoredServerBackupsOptions): Promise<Reach | null> {
  const vault = await openVault();
  const major = majorOf((await readManifests(vault, 'server')).manifests);
  if (major === null) return null;
  try {
    const window = await reachableWindow(vault, spoolDirectory, await findPrograms(major));
    if (!window) return { text: 'nothing of it can be restored: no chain is whole', isBroken: true };
    const { oldest, newest, gap } = window;
    const until = newest.time === null ? '' : ` (last transaction at ${newest.time})`;
    const range = `restore --to reaches from ${oldest.time}, position ${oldest.lsn}, to position ${newest.lsn}${until}`;
    return gap === null
      ? { text: range, isBroken: false }
      : { text: `${range}\nWAL ${gap} is MISSING: nothing after it can be reached`, isBroken: true };
  } catch (error) {
    if (!(error instanceof ProgramsMissing) && !(error instanceof RestoreRefused)) throw error;
    return {
      text: `to which moment a restore can go is not known: ${error.message}`,
      isBroken: error instanceof RestoreRefused,
    };
  }
}

async function restoreNewest(
  { openVault, spoolDirectory, findPrograms }: StoredServerBackupsOptions,
  how: RestoreOptions,
): Promise<string> {
  const vault = await openVault();
  const { manifests, damaged } = await readManifests(vault, 'server');
  const major = majorOf(manifests);
  if (major === null) throw nothingReadable(vault.store.name, 'backup of a server', damaged);
  const programs = await findPrograms(major);
  const done = await restoreServerBackup({ vault, spoolDirectory, programs, ...how });
  return [
    `restored ${done.backups.join(', ')} and ${done.wal.length} files of WAL into ${done.directory} in ${Math.ceil(done.durationMs / 1000)} s`,
    ...done.notes.map((note) => `  ${note}`),
    `A server started on it replays to ${describeTarget(how.target)} and then takes writes:`,
    `  chown -R postgres: ${done.directory}`,
    `  lightning recover ${done.directory} --port 5432`,
    `Once it takes writes, ${done.directory}/restored_wal may be removed.`,
  ].join('\n');
}

/** The WAL of the moment of a drill has to reach the store, so it is received here when no worker does. */
async function drillNewest(options: ServerBackupsOptions, work: Work): Promise<DrillVerdict> {
  const { connection, openVault, findPrograms, drillDirectory, pool, log } = options;
  const vault = await openVault();
  const client = await connectForReplication(connection);
  const begin = async () => {
    const facts = await serverFacts(client);
    const programs = await findDrillPrograms(await findPrograms(facts.major));
    const receiving = await receiveMeanwhile(client, {
      ...options,
      vault,
      programs,
      systemIdentifier: facts.systemIdentifier,
      // A drill waits for the beginning of a segment, not for a whole one.
      partialEveryMs: 1_000,
    });
    return { facts, programs, receiving };
  };
  const { facts, programs, receiving } = await begin().finally(() => client.end());
  const database = backupsDatabase(connection, pool, log);
  try {
    return await drillServer({ database, facts, vault, programs, workDirectory: drillDirectory, ...work });
  } finally {
    await Promise.all([receiving?.stop(), database.close()]);
  }
}

import type {
  BackupList,
  Backups,
  Problem,
  Removal,
  RestoreOptions,
  StoredBackups,
  TakenBackup,
  Verification,
  Work,
} from '../backups.ts';
import type { DrillVerdict } from '../drill-verdict.ts';
import { readManifests } from '../manifest.ts';
import { recordBackups } from '../record-backups.ts';
import { removeExpired } from '../remove-expired.ts';
import { nothingReadable } from '../restore-refused.ts';
import type { RecoveryWindow } from '../retention.ts';
import type { OpenVault } from '../store/open-store.ts';
import { storeLines } from '../store/store-lines.ts';
import { chooseSnapshot } from './choose-snapshot.ts';
import { drillSnapshot } from './drill.ts';
import { collectGarbage } from './garbage.ts';
import { restoreSnapshot, verifySnapshot } from './restore.ts';
import { takeSnapshot } from './snapshot.ts';

export interface StoredSnapshotsOptions {
  readonly openVault: OpenVault;
}

export interface EmbeddedBackupsOptions extends StoredSnapshotsOptions {
  /**
   * DATA_DIR of the embedded database. The database has to run while a snapshot is taken, in this process or another.
   */
  readonly dataDirectory: string;
  readonly connectionString: string;
  readonly window: RecoveryWindow;
  /** The parent directory of the copies that drills make. */
  readonly drillDirectory: string;
  readonly now: () => Date;
}

/** Backups of the embedded database: snapshots, each of which is whole. */
export function embeddedBackups(options: EmbeddedBackupsOptions): Backups {
  const { openVault, window } = options;
  return {
    ...storedSnapshots(options),
    buildsOnEarlier: false,
    receiving: null,
    take: async (requested, work): Promise<TakenBackup> => {
      const { id, manifest } = await takeSnapshot({
        ...options,
        ...work,
        vault: await openVault(),
        everything: requested === 'full',
      });
      const { newBytes = 0, heldMs = 0 } = manifest.embedded ?? {};
      const stored = `${(newBytes / 1_000_000).toFixed(1)} MB stored`;
      return { id, summary: `${id}, ${stored}; writers waited ${Math.round(heldMs)} ms` };
    },
    drill: (work) => drillNewest(options, work),
    removeExpired: async (now): Promise<Removal> => {
      const vault = await openVault();
      const { backups } = await removeExpired({ vault, window, now });
      const { objects } = await collectGarbage(vault, () => now);
      return {
        backups,
        summary:
          backups.length + objects > 0
            ? `removed ${backups.length} expired backups and ${objects} objects that none needs`
            : null,
      };
    },
    record: async (executor) => recordBackups(executor, await openVault()),
    statusLines: () => storeLines(openVault),
  };
}

/** The snapshots of embedded databases in a store. */
export function storedSnapshots({ openVault }: StoredSnapshotsOptions): StoredBackups {
  return {
    list: async (): Promise<BackupList> => {
      const vault = await openVault();
      const { manifests, damaged } = await readManifests(vault, 'embedded');
      return {
        store: vault.store.name,
        backups: manifests
          .map(({ id, manifest }) => ({
            id,
            endedAt: manifest.endedAt,
            // Earlier snapshots stored most of what a snapshot consists of.
            storedBytes: manifest.embedded?.newBytes ?? 0,
            position: 'embedded',
            parent: '',
            isBroken: false,
          }))
          .toSorted((a, b) => Date.parse(a.endedAt) - Date.parse(b.endedAt)),
        damaged: damaged.map(({ message }) => message),
      };
    },
    reach: () => Promise.resolve(null),
    verify: (work) => verifyAll(openVault, work),
    restore: async ({ target, from, into, ...how }: RestoreOptions) => {
      const vault = await openVault();
      const { manifests, damaged } = await readManifests(vault, 'embedded');
      if (manifests.length === 0) throw nothingReadable(vault.store.name, 'snapshot', damaged);
      const snapshot = chooseSnapshot({ snapshots: manifests, damaged, target, from });
      await restoreSnapshot({ vault, snapshot, into, ...how });
      return [
        `restored ${snapshot.id} into ${into}`,
        `  DATA_DIR=${into} lightning start`,
        '  Its tokens end: the secret in the old DATA_DIR/jwt-secret is in no backup. Copy it there to keep them.',
      ].join('\n');
    },
  };
}

async function verifyAll(openVault: OpenVault, work: Work): Promise<Verification> {
  const vault = await openVault();
  const { manifests, damaged } = await readManifests(vault, 'embedded');
  const problems: Problem[] = damaged.map(({ member, message }) => ({ member, what: message }));
  let objects = 0;
  for (const snapshot of manifests) {
    const found = await verifySnapshot({ vault, snapshot, ...work });
    objects += found.objects;
    problems.push(...found.problems.map((what) => ({ member: snapshot.id, what })));
  }
  return { store: vault.store.name, backups: manifests.length, objects, walFiles: 0, problems };
}

async function drillNewest(
  { openVault, drillDirectory }: EmbeddedBackupsOptions,
  work: Work,
): Promise<DrillVerdict> {
  const vault = await openVault();
  const { manifests, damaged } = await readManifests(vault);
  const snapshot = manifests.findLast(({ manifest }) => manifest.embedded !== null);
  const problems = damaged.map(({ message }) => message);
  if (!snapshot) {
    return {
      backups: [],
      position: null,
      comparedTables: 0,
      comparedRows: 0,
      sealedRows: 0,
      restoreMs: null,
      problems: [...problems, `${vault.store.name} holds no snapshot: lightning backup takes one`],
      selfTests: [],
    };
  }
  const verdict = await drillSnapshot({ vault, snapshot, directory: drillDirectory, ...work });
  return { ...verdict, problems: [...problems, ...verdict.problems] };
}

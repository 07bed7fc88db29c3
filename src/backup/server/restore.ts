import { randomBytes } from 'node:crypto';
import { chown, mkdir, mkdtemp, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { CommandError, runCommand } from '../../programs/command.ts';
import { BackupDamaged } from '../backup-damaged.ts';
import { readManifests } from '../manifest.ts';
import { ObjectMissing } from '../store/store.ts';
import type { Vault } from '../vault.ts';
import type { OnProgress } from '../../on-progress.ts';
import { RestoreRefused } from '../restore-refused.ts';
import { chooseChain } from './choose-backup.ts';
import type { Chain } from './choose-backup.ts';
import { limitsOf } from './control-file.ts';
import { neededWal } from './wal/needed-wal.ts';
import type { NeededWal } from './wal/needed-wal.ts';
import { programFile } from './programs.ts';
import type { ProgramName, ServerPrograms } from './programs.ts';
import { walDirectory, writeRecoverySettings } from './recovery-settings.ts';
import type { RestoreTarget } from '../restore-target.ts';
import { padded } from './wal/scan-wal.ts';
import { syncTree, unpackBackup } from './unpack.ts';
import { parseLsn } from './wal/wal-position.ts';
import { findWal, walRun } from './wal/wal-run.ts';
import type { WalInventory, WalRun } from './wal/wal-run.ts';

export interface RestoreOptions {
  readonly vault: Vault;
  /**
   * The spool of the receiver, for WAL that it had not archived yet, when its machine is at hand. Null: use the vault
   * alone.
   */
  readonly spoolDirectory: string | null;
  readonly target: RestoreTarget;
  /** The data directory to make. It must be absent or empty. */
  readonly into: string;
  /** Programs of the backups' major version. */
  readonly programs: ServerPrograms;
  /** The id of the backup to begin with; by default the newest that is early enough. */
  readonly from?: string | null;
  /** The owner of the files, when this runs as root; by default the user of this process. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /**
   * Whether the restored directory survives a power cut. Default true; a drill, which removes the directory again,
   * saves the time.
   */
  readonly durable?: boolean;
  readonly onProgress?: OnProgress | undefined;
  readonly signal: AbortSignal;
}

/** A data directory that is ready: a server started on it replays its WAL, stops at the target and takes writes. */
export interface Restored {
  readonly directory: string;
  /** Ids of the chain, the full backup first. */
  readonly backups: readonly string[];
  /** Names of the WAL files that will be replayed. */
  readonly wal: readonly string[];
  /** Differences from the old server's configuration, as text for people. */
  readonly notes: readonly string[];
  readonly durationMs: number;
}

/** A day, because combining backups may take long. */
const programTimeoutMs = 24 * 3_600_000;

/**
 * Restores a server's data directory. Every object is checked before anything is written to `into` or beside it. The
 * directory appears whole or not at all. Rejects with RestoreRefused, naming whatever is missing or damaged.
 */
export async function restoreServerBackup(options: RestoreOptions): Promise<Restored> {
  const startedAt = performance.now();
  const { vault, programs, signal, onProgress } = options;
  const into = resolve(options.into);
  await refuseOccupied(into);
  const { manifests, damaged } = await readManifests(vault);
  const chain = chooseChain({
    backups: manifests,
    damaged,
    target: options.target,
    from: options.from ?? null,
  });
  refuseOtherMajor(chain, programs);
  await checkMembers(vault, chain, onProgress, signal);
  const inventory = await findWal(vault, chain.position.systemIdentifier, options.spoolDirectory);
  const run = await runFrom(inventory, chain);
  const needed = await withTemporary((directory) =>
    neededWal(
      run,
      options.target,
      { segmentBytes: chain.position.segmentBytes, programs, directory },
      stage(onProgress, 'WAL', 0.3, 0.4),
      signal,
    ),
  );
  const staging = join(dirname(into), `.${basename(into)}-${randomBytes(4).toString('hex')}`);
  await mkdir(dirname(into), { recursive: true });
  await mkdir(staging, { mode: 0o700 });
  try {
    const data = await assemble(options, chain, staging);
    await writeWal(join(staging, 'wal'), inventory, needed, chain.position.segmentBytes);
    onProgress?.(0.9, 'verifying the combined backup');
    await runProgram(
      programs,
      'pg_verifybackup',
      ['--quiet', `--wal-directory=${join(staging, 'wal')}`, data],
      signal,
    );
    await rename(join(staging, 'wal'), join(data, walDirectory));
    const notes = await writeRecoverySettings(data, {
      stopAt: needed.stopAt,
      timeline: run.path.at(-1)?.timeline ?? chain.position.timeline,
      limits: await limitsOf(data, programs),
      settings: chain.last.manifest.settings,
    });
    if (options.owner) await giveTo(data, options.owner);
    if (options.durable ?? true) {
      onProgress?.(0.97, 'syncing');
      await syncTree(data);
    }
    // An empty directory gives way; one that was filled meanwhile stays, and the rename fails.
    await rmdir(into).catch(() => {});
    await rename(data, into);
    return {
      directory: into,
      backups: chain.members.map(({ id }) => id),
      wal: needed.files.map(({ file }) => file),
      notes,
      durationMs: performance.now() - startedAt,
    };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/**
 * The WAL that follows a chain's last backup. Rejects with RestoreRefused when even that backup's own WAL is missing.
 */
export async function runFrom(inventory: WalInventory, { last, position }: Chain): Promise<WalRun> {
  const run = await walRun(inventory, {
    timeline: position.timeline,
    lsn: parseLsn(position.startLsn),
    segmentBytes: position.segmentBytes,
  });
  const own = await walRun(inventory, {
    timeline: position.timeline,
    // The byte before the end: a backup that ends with its segment needs no further segment.
    lsn: parseLsn(position.endLsn) - 1n,
    segmentBytes: position.segmentBytes,
  });
  const [end] = own.files;
  if (!end || !run.files.includes(end)) {
    throw new RestoreRefused(
      `WAL ${run.next} is missing, without which ${last.id} cannot be restored`,
      run.next,
    );
  }
  return run;
}

async function assemble(options: RestoreOptions, { members }: Chain, staging: string): Promise<string> {
  const { vault, programs, onProgress, signal } = options;
  const total = members
    .flatMap(({ manifest }) => manifest.objects)
    .reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  let shown = 0;
  const directories: string[] = [];
  for (const [index, member] of members.entries()) {
    const directory = join(staging, `backup-${index}`);
    directories.push(directory);
    await unpackBackup(
      vault,
      member,
      directory,
      (bytes) => {
        done += bytes;
        const fraction = Math.min(done / total, 1);
        if (fraction - shown < 0.01) return;
        shown = fraction;
        onProgress?.(0.4 + 0.3 * fraction, `unpacking ${member.id}`);
      },
      signal,
    );
  }
  const [only] = directories;
  if (only !== undefined && directories.length === 1) return only;
  const combined = join(staging, 'combined');
  onProgress?.(0.7, `combining ${directories.length} backups`);
  await runProgram(
    programs,
    'pg_combinebackup',
    ['--no-sync', `--output=${combined}`, ...directories],
    signal,
  );
  for (const directory of directories) await rm(directory, { recursive: true });
  return combined;
}

async function writeWal(
  directory: string,
  { histories }: WalInventory,
  { files }: NeededWal,
  segmentBytes: number,
): Promise<void> {
  await mkdir(directory, { mode: 0o700 });
  for (const wal of files) {
    await writeFile(join(directory, wal.file), padded(await wal.read(), segmentBytes), { mode: 0o600 });
  }
  // All histories, so that the new timeline gets a number that has never been used.
  for (const history of histories) {
    await writeFile(join(directory, history.file), await history.read(), { mode: 0o600 });
  }
}

async function checkMembers(
  vault: Vault,
  { members }: Chain,
  onProgress: OnProgress | undefined,
  signal: AbortSignal,
): Promise<void> {
  const objects = members.flatMap(({ id, manifest }) => manifest.objects.map((object) => ({ id, object })));
  for (const [index, { id, object }] of objects.entries()) {
    signal.throwIfAborted();
    try {
      await vault.check(object);
    } catch (error) {
      if (!(error instanceof BackupDamaged) && !(error instanceof ObjectMissing)) throw error;
      throw new RestoreRefused(`${id} cannot be used: ${error.message}`, object.key, { cause: error });
    }
    onProgress?.((0.3 * (index + 1)) / objects.length, `checked ${object.key}`);
  }
}

async function refuseOccupied(into: string): Promise<void> {
  const names = await readdir(into).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [] as string[];
    throw error;
  });
  if (names.length > 0) {
    throw new RestoreRefused(`${into} is not empty: a restore makes a directory of its own`, null);
  }
}

function refuseOtherMajor({ last, position }: Chain, programs: ServerPrograms): void {
  const major = Number.parseInt(position.version, 10);
  if (Number.parseInt(programs.version, 10) !== major) {
    throw new RestoreRefused(
      `${last.id} needs programs of Postgres ${position.version}, and ${programs.binDirectory} has those of ${programs.version}`,
      null,
    );
  }
}

async function runProgram(
  programs: ServerPrograms,
  name: ProgramName,
  args: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  try {
    await runCommand(programFile(programs, name), args, {
      env: programs.environment,
      timeoutMs: programTimeoutMs,
      signal,
    });
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof CommandError ? new RestoreRefused(error.message, null, { cause: error }) : error;
  }
}

async function withTemporary<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'lightning-restore-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function giveTo(directory: string, owner: { uid: number; gid: number }): Promise<void> {
  const entries = await readdir(directory, { recursive: true });
  await Promise.all(entries.map((entry) => chown(join(directory, entry), owner.uid, owner.gid)));
  await chown(directory, owner.uid, owner.gid);
}

function stage(onProgress: OnProgress | undefined, what: string, from: number, to: number): OnProgress {
  return (fraction, note) =>
    onProgress?.(fraction === null ? null : from + (to - from) * fraction, `${what}: ${note}`);
}

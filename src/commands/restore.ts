import type { Command } from 'commander';
import { restoreSnapshot } from '../backup/embedded/restore.ts';
import { readManifests } from '../backup/manifest.ts';
import type { ReadManifest } from '../backup/manifest.ts';
import { RestoreRefused } from '../backup/restore-refused.ts';
import { configuredPrograms } from '../backup/server/configured-programs.ts';
import { restoreServerBackup } from '../backup/server/restore.ts';
import { instantOf } from '../backup/instant.ts';
import { describeTarget, parseTarget } from '../backup/restore-target.ts';
import type { RestoreTarget } from '../backup/restore-target.ts';
import { openVault } from '../backup/store/open-store.ts';
import type { Config } from '../config/config.ts';
import { serverMajor } from './backup.ts';
import type { CommandContext } from './command-context.ts';
import { configure } from './configure.ts';
import { untilAborted } from './signals.ts';
import { UsageError } from './usage-error.ts';
import type { OnProgress } from '../on-progress.ts';

export interface RestoreFlags {
  readonly to: string;
  readonly into: string;
  readonly from?: string;
}

/** Restores a data directory from the store alone, and says how to start a server on it. */
export async function restore(
  config: Config,
  { to, into, from }: RestoreFlags,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<string> {
  const target = parseTarget(to);
  if (!target) {
    throw new UsageError(
      `--to is ${JSON.stringify(to)}; it is latest, a time with its zone (2026-11-27T13:30:00Z), or a position (0/16B3748)`,
    );
  }
  const vault = await openVault(config.backup);
  const { manifests } = await readManifests(vault);
  const major = serverMajor(manifests);
  if (major === null) {
    const snapshots = manifests.filter(({ manifest }) => manifest.embedded !== null);
    if (snapshots.length > 0) {
      const snapshot = chooseSnapshot(snapshots, target, from ?? null);
      await restoreSnapshot({ vault, snapshot, into, signal, onProgress });
      return [
        `restored ${snapshot.id} into ${into}`,
        `  DATA_DIR=${into} lightning start`,
        '  Its tokens end: the secret in the old DATA_DIR/jwt-secret is in no backup. Copy it there to keep them.',
      ].join('\n');
    }
    throw new RestoreRefused(`${vault.store.name} holds no backup that can be read`, null);
  }
  const programs = await configuredPrograms(config)(major);
  const done = await restoreServerBackup({
    vault,
    spoolDirectory: config.backup.spoolDirectory,
    target,
    into,
    programs,
    from: from ?? null,
    onProgress,
    signal,
  });
  return [
    `restored ${done.backups.join(', ')} and ${done.wal.length} files of WAL into ${done.directory} in ${Math.ceil(done.durationMs / 1000)} s`,
    ...done.notes.map((note) => `  ${note}`),
    `A server started on it replays to ${describeTarget(target)} and then takes writes:`,
    `  chown -R postgres: ${done.directory}`,
    `  lightning recover ${done.directory} --port 5432`,
    `Once it takes writes, ${done.directory}/restored_wal may be removed.`,
  ].join('\n');
}

/** The newest snapshot that is early enough, or the one that is named: of an embedded database only these moments are kept. */
function chooseSnapshot(
  snapshots: readonly ReadManifest[],
  target: RestoreTarget,
  from: string | null,
): ReadManifest {
  if (target.kind === 'lsn') {
    throw new RestoreRefused(
      'the store holds snapshots of an embedded database: --to is latest or a time, --from names one of them',
      null,
    );
  }
  const fits = snapshots.filter(
    ({ manifest }) => target.kind === 'latest' || instantOf(new Date(manifest.endedAt)) <= target.time,
  );
  const chosen = from === null ? fits.at(-1) : fits.find(({ id }) => id === from);
  if (!chosen) {
    const [oldest] = snapshots;
    throw new RestoreRefused(
      from === null
        ? `no snapshot is old enough: the oldest, ${oldest?.id}, ended at ${oldest?.manifest.endedAt}`
        : `there is no snapshot ${from} that is early enough; lightning backups lists them`,
      null,
    );
  }
  return chosen;
}

/** `lightning restore` */
export function addRestore(program: Command, context: CommandContext): void {
  program
    .command('restore')
    .description('make a data directory of a moment, from the store alone; nothing that runs is touched')
    .requiredOption('--to <moment>', 'latest, a time with its zone, or a position in the WAL')
    .requiredOption('--into <directory>', 'the data directory to make; not there yet, or empty')
    .option('--from <backup>', 'the backup to begin with; by default the newest that is early enough')
    .action(async (flags: RestoreFlags) =>
      context.print(await restore(configure(context), flags, context.showProgress, untilAborted())),
    );
}

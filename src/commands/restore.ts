import { readManifests } from '../backup/manifest.ts';
import { RestoreRefused } from '../backup/server/choose-backup.ts';
import { configuredPrograms } from '../backup/server/configured.ts';
import { restoreServerBackup } from '../backup/server/restore.ts';
import { describeTarget, parseTarget } from '../backup/server/restore-target.ts';
import { openVault } from '../backup/store/open-store.ts';
import type { Config } from '../config.ts';
import { serverMajor } from './backup.ts';
import { UsageError } from './usage-error.ts';

export interface RestoreFlags {
  readonly to: string;
  readonly into: string;
  readonly from?: string;
}

/** Restores a data directory from the store alone, and says how to start a server on it. */
export async function restore(
  config: Config,
  { to, into, from }: RestoreFlags,
  onProgress: (fraction: number | null, note: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const target = parseTarget(to);
  if (!target) {
    throw new UsageError(
      `--to is ${JSON.stringify(to)}; it is latest, a time with its zone (2026-11-27T13:30:00Z), or a position (0/16B3748)`,
    );
  }
  const vault = await openVault(config.backup);
  const major = serverMajor((await readManifests(vault)).manifests);
  if (major === null) {
    throw new RestoreRefused(`${vault.store.name} holds no backup of a server that can be read`, null);
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
    `  ${programs.binDirectory}/pg_ctl --pgdata=${done.directory} --timeout=86400 start`,
    `Once it takes writes, ${done.directory}/restored_wal may be removed.`,
  ].join('\n');
}

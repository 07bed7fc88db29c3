import { join } from 'node:path';
import { CommandError, runCommand } from '../../../src/programs/command.ts';
import { exists, programPlaces } from '../../../src/programs/places.ts';
import type { CommandUser } from '../../../src/programs/command.ts';

/** A folder of Postgres programs, version 17 or newer, that run here, with pgvector beside them. */
export interface Binaries {
  readonly binDirectory: string;
  /** A version such as `17.11`. */
  readonly version: string;
}

/** The oldest major version that has `pg_basebackup --incremental`. */
export const oldestMajor = 17;

const programs =
  'postgres initdb psql pgbench pg_config pg_dump pg_restore pg_amcheck pg_basebackup pg_combinebackup pg_verifybackup pg_receivewal'.split(
    ' ',
  );

/**
 * The binaries of a folder, or the reason why they are unusable: too old, incomplete, without pgvector, or not
 * executable by the server's user.
 */
export async function inspectBinaries(
  binDirectory: string,
  user: CommandUser | undefined,
): Promise<Binaries | { readonly lacking: string }> {
  try {
    const answer = await runCommand(join(binDirectory, 'postgres'), ['--version'], { user });
    const version = /PostgreSQL\) (\d+)(\.\d+)?/.exec(answer);
    if (!version) return { lacking: `${binDirectory} answers "${answer.trim()}" to postgres --version` };
    const number = `${version[1]}${version[2] ?? ''}`;
    if (Number(version[1]) < oldestMajor)
      return { lacking: `${binDirectory} is ${number}, older than ${oldestMajor}` };
    for (const program of programs) {
      if (!(await exists(join(binDirectory, program))))
        return { lacking: `${binDirectory} has no ${program}` };
    }
    const shared = (await runCommand(join(binDirectory, 'pg_config'), ['--sharedir'], { user })).trim();
    if (!(await exists(join(shared, 'extension', 'vector.control')))) {
      return { lacking: `${binDirectory} is ${number} without pgvector` };
    }
    return { binDirectory, version: number };
  } catch (error) {
    if (error instanceof CommandError) return { lacking: error.message };
    throw error;
  }
}

/**
 * Binaries that are installed on this machine: from `PATH`, and from where Debian, Red Hat and Homebrew put them, the
 * newest first within each place. `lacking` gives the reason for each one found that is unusable.
 */
export async function findInstalledBinaries(
  env: NodeJS.ProcessEnv,
  user: CommandUser | undefined,
): Promise<Binaries | { readonly lacking: string }> {
  const lacking: string[] = [];
  for (const directory of await programPlaces(env)) {
    if (!(await exists(join(directory, 'postgres')))) continue;
    const found = await inspectBinaries(directory, user);
    if (!('lacking' in found)) return found;
    lacking.push(found.lacking);
  }
  return { lacking: lacking.length > 0 ? lacking.join(', ') : 'no Postgres is installed' };
}

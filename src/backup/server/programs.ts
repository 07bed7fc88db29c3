import { join } from 'node:path';
import { OperationalError } from '../../operational-error.ts';
import { exists, programPlaces } from '../../programs/places.ts';
import { CommandError, runCommand } from '../../programs/command.ts';

/** Postgres's own programs, all from one folder. */
export interface ServerPrograms {
  readonly binDirectory: string;
  /** Such as `17.11`. */
  readonly version: string;
  /**
   * The environment that they run in, apart from the server's address: none of our own variables, times in UTC,
   * messages in English.
   */
  readonly environment: NodeJS.ProcessEnv;
}

/** Names of the programs for backups and restores, including the server that a restored directory is started with. */
export type ProgramName = (typeof names)[number];

const names = [
  'pg_basebackup',
  'pg_combinebackup',
  'pg_verifybackup',
  'pg_receivewal',
  'pg_waldump',
  'pg_controldata',
  'postgres',
] as const;

/**
 * This machine lacks Postgres's programs of the server's version. The message says where the search went, and how to
 * get them.
 */
export class ProgramsMissing extends OperationalError {
  override name = 'ProgramsMissing';
}

export interface FindProgramsOptions {
  /** The server's major version: programs of another version cannot read its files and WAL. */
  readonly major: number;
  /** BACKUP_BIN_DIR: the only folder to search. Null: search `PATH` and the usual places. */
  readonly binDirectory: string | null;
  /** Read for `PATH` and `HOME`. */
  readonly env: NodeJS.ProcessEnv;
}

/** The first folder with all programs of the server's major version. Rejects with ProgramsMissing. */
export async function findPrograms({
  major,
  binDirectory,
  env,
}: FindProgramsOptions): Promise<ServerPrograms> {
  const places = binDirectory === null ? await programPlaces(env) : [binDirectory];
  const lacking: string[] = [];
  for (const place of places) {
    if (binDirectory === null && !(await exists(join(place, names[0])))) continue;
    const found = await inspect(place, major, environmentOf(env));
    if (typeof found !== 'string') return found;
    lacking.push(found);
  }
  const why =
    lacking.length > 0 ? lacking.join(', ') : `${names[0]} is neither in PATH nor in the usual places`;
  throw new ProgramsMissing(
    `the programs of Postgres ${major} are needed for backups: ${why}. Install them ` +
      `(on Debian: apt-get install postgresql-client-${major} postgresql-${major}), or set BACKUP_BIN_DIR to the folder that has them`,
  );
}

/** The file of a program. */
export function programFile({ binDirectory }: ServerPrograms, name: ProgramName): string {
  return join(binDirectory, name);
}

function environmentOf({ PATH, HOME }: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...(PATH !== undefined && { PATH }), ...(HOME !== undefined && { HOME }), TZ: 'UTC', LC_ALL: 'C' };
}

async function inspect(
  directory: string,
  major: number,
  environment: NodeJS.ProcessEnv,
): Promise<ServerPrograms | string> {
  for (const name of names) {
    if (!(await exists(join(directory, name)))) return `${directory} has no ${name}`;
  }
  try {
    const answer = await runCommand(join(directory, names[0]), ['--version'], { env: environment });
    const version = /PostgreSQL\) (\d+(?:\.\d+)?)/.exec(answer)?.[1];
    if (version === undefined) return `${directory} answers "${answer.trim()}" to ${names[0]} --version`;
    if (Number.parseInt(version, 10) !== major) return `${directory} is of version ${version}`;
    return { binDirectory: directory, version, environment };
  } catch (error) {
    if (error instanceof CommandError) return error.message;
    throw error;
  }
}

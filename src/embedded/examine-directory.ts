import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { OperationalError } from '../operational-error.ts';

/** PGlite's major version of Postgres. */
const postgresVersion = '18';
/** Size of pg_control, in every version of Postgres. */
const controlBytes = 8192;

/** The files of an embedded database cannot be used. No table was changed. The message says what was found, and what to do. */
export class DatabaseDamaged extends OperationalError {
  override name = 'DatabaseDamaged';

  /** `directory`: DATA_DIR. `found`: continues "the embedded database in ... is damaged: ". */
  constructor(
    directory: string,
    found: string,
    {
      unchanged = 'Nothing of it was changed',
      ...options
    }: ErrorOptions & { readonly unchanged?: string } = {},
  ) {
    super(
      `the embedded database in ${directory} is damaged: ${found}. ${unchanged}. ` +
        `Restore the newest backup beside it: lightning restore --to latest --into ${directory}-restored, ` +
        `and go on with DATA_DIR=${directory}-restored (lightning backups lists the others)`,
      options,
    );
  }
}

/**
 * Looks at a DATA_DIR before anything is written. Throws OperationalError for a directory that is something else's, or
 * whose database another version wrote, and DatabaseDamaged for a database that cannot be opened. A directory that is
 * missing, empty, or has no database yet is fine.
 */
export function examineDirectory(directory: string): void {
  const names = namesIn(directory);
  if (names === null) return;
  refuseForeign(directory, names);
  const postgres = join(directory, 'postgres');
  const inside = namesIn(postgres);
  if (inside === null || inside.length === 0) return;
  if (!inside.includes('PG_VERSION')) throw new DatabaseDamaged(directory, 'postgres/PG_VERSION is missing');
  const version = readFileSync(join(postgres, 'PG_VERSION'), 'utf8').trim();
  if (!/^\d{1,3}$/.test(version)) {
    throw new DatabaseDamaged(directory, 'postgres/PG_VERSION does not hold a version');
  }
  if (version !== postgresVersion) {
    throw new OperationalError(
      `the database in ${postgres} was written by Postgres ${version}, and this is Postgres ${postgresVersion}: ` +
        'export it with the release that wrote it and import it here, or set DATA_DIR to another directory',
    );
  }
  refuseIncomplete(directory, postgres);
}

/** The folders and files without which Postgres does not start. */
function refuseIncomplete(directory: string, postgres: string): void {
  for (const name of ['global', 'base', 'pg_wal', 'pg_xact', 'pg_multixact', 'pg_tblspc']) {
    if (!isDirectory(join(postgres, name))) {
      throw new DatabaseDamaged(directory, `the folder postgres/${name} is missing`);
    }
  }
  const control = sizeOf(join(postgres, 'global/pg_control'));
  if (control !== controlBytes) {
    const found = control === null ? 'is missing' : `has ${control} bytes in place of ${controlBytes}`;
    throw new DatabaseDamaged(directory, `postgres/global/pg_control ${found}`);
  }
  const segments = readdirSync(join(postgres, 'pg_wal')).filter((name) => /^[0-9A-F]{24}$/.test(name));
  if (segments.length === 0) {
    throw new DatabaseDamaged(directory, 'postgres/pg_wal holds no write-ahead log');
  }
}

/** The names that this program gives to what it keeps in a DATA_DIR, by their beginnings. */
const ours = ['postgres', 'lock.', '.s.PGSQL.', 'jwt-secret', 'wal-spool', 'backups'];
/** Names that mean nothing: those of a file system's own, and hidden ones. */
const meaningless = /^(\.|lost\+found$)/;

/** A directory of something else is left alone: an embedded database would be made in the middle of it. */
function refuseForeign(directory: string, names: readonly string[]): void {
  if (names.includes('PG_VERSION') || names.includes('postmaster.pid')) {
    throw new OperationalError(
      `${directory} is the data directory of a Postgres server, not of an embedded database: set DATA_DIR to a directory of its own, ` +
        'or DATABASE_URL to that server; lightning recover starts a restored one',
    );
  }
  if (names.some((name) => ours.some((own) => name.startsWith(own)))) return;
  const foreign = names.find((name) => !meaningless.test(name));
  if (foreign === undefined) return;
  throw new OperationalError(
    `${directory} is not the directory of an embedded database (it holds ${foreign}): set DATA_DIR to one, or to a directory that is new or empty`,
  );
}

/** Null: there is no such directory. */
function namesIn(directory: string): string[] | null {
  if (!existsSync(directory)) return null;
  if (!isDirectory(directory)) {
    throw new OperationalError(`${directory} is not a directory: set DATA_DIR to one`);
  }
  return readdirSync(directory);
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function sizeOf(file: string): number | null {
  return statSync(file, { throwIfNoEntry: false })?.size ?? null;
}

import { lstatSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { OperationalError } from '../../operational-error.ts';

/** The observable state of a file: while all of it stays the same, so does the file's content. */
export interface FileIdentity {
  readonly bytes: number;
  /** Decimal text: JSON does not have exact integers of this size. */
  readonly inode: string;
  readonly mtimeNs: string;
  readonly ctimeNs: string;
}

/** The directories and files of a database, by relative paths with `/` between. */
export interface FileSet {
  readonly directories: readonly string[];
  readonly files: ReadonlyMap<string, FileIdentity>;
}

/**
 * Lists every file that belongs to a database. Synchronous, because writers may be waiting; it takes some
 * milliseconds.
 */
export function readFileSet(root: string): FileSet {
  const directories: string[] = [];
  const files = new Map<string, FileIdentity>();
  const walk = (folder: string): void => {
    for (const entry of readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (isTransient(entry.name)) continue;
      if (entry.isDirectory()) {
        directories.push(name);
        walk(name);
      } else if (entry.isFile()) {
        const { size, ino, mtimeNs, ctimeNs } = lstatSync(path.join(root, name), { bigint: true });
        files.set(name, {
          bytes: Number(size),
          inode: String(ino),
          mtimeNs: String(mtimeNs),
          ctimeNs: String(ctimeNs),
        });
      } else {
        throw new OperationalError(
          `${path.join(root, name)} is neither a file nor a directory: it cannot be backed up`,
        );
      }
    }
  };
  walk('');
  return { directories: directories.sort(), files };
}

/**
 * How long a file must have rested before its time tells one write from the next. File systems round it, some to two
 * seconds.
 */
const restNs = 2_000_000_000n;

/** Whether a change after `lookedAt` would have changed the identity. */
export function hasRested({ mtimeNs, ctimeNs }: FileIdentity, lookedAt: Date): boolean {
  const now = BigInt(lookedAt.getTime()) * 1_000_000n;
  return now - BigInt(mtimeNs) > restNs && now - BigInt(ctimeNs) > restNs;
}

/** Whether both identities mean the same file with the same content. */
export function isSame(one: FileIdentity | null, other: FileIdentity): boolean {
  return (
    one !== null &&
    one.bytes === other.bytes &&
    one.inode === other.inode &&
    one.mtimeNs === other.mtimeNs &&
    one.ctimeNs === other.ctimeNs
  );
}

/** Whether Postgres makes this file anew at its start. */
function isTransient(name: string): boolean {
  return name === 'postmaster.pid' || name === 'postmaster.opts' || name.startsWith('pgsql_tmp');
}

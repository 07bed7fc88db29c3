import { access, constants } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { OperationalError } from '../operational-error.ts';
import { CommandError, runCommand } from './command.ts';
import type { CommandUser } from './command.ts';

/**
 * The user to run Postgres's server as. Postgres refuses to run as root, so for root this is `nobody`.
 * Undefined for any other user, who runs it as themselves. Throws when we are root and the user `nobody` does not exist.
 */
export async function serverUser(): Promise<CommandUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = await Promise.all([
    runCommand('id', ['-u', 'nobody']),
    runCommand('id', ['-g', 'nobody']),
  ]);
  return { uid: Number(uid), gid: Number(gid) };
}

/** Whether the server's user can enter this directory. That takes permission on every directory above it. */
export async function canEnter(directory: string, user: CommandUser | undefined): Promise<boolean> {
  if (!user) {
    return access(directory, constants.X_OK).then(
      () => true,
      () => false,
    );
  }
  try {
    await runCommand('test', ['-x', directory], { user });
    return true;
  } catch (error) {
    if (error instanceof CommandError && !error.notFound) return false;
    throw error;
  }
}

/**
 * The first directory for temporary files that the server's user can enter (root's `TMPDIR` may be closed to
 * others). `onDisk` asks for a directory that is not kept in memory, as `/tmp` often is. Throws when there is
 * none.
 */
export async function temporaryDirectory(user: CommandUser | undefined, onDisk: boolean): Promise<string> {
  const candidates = onDisk ? ['/var/tmp', tmpdir(), '/tmp'] : [tmpdir(), '/tmp', '/var/tmp'];
  for (const candidate of candidates) if (await canEnter(candidate, user)) return candidate;
  throw new OperationalError(
    `the server's user can enter none of the directories for temporary files: tried ${candidates.join(', ')}. Set TMPDIR.`,
  );
}

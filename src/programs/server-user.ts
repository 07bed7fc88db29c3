import { access, constants } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { OperationalError } from '../operational-error.ts';
import { CommandError, runCommand } from './command.ts';
import type { CommandUser } from './command.ts';

/**
 * Postgres refuses to run as root, so for root this is `nobody`; for anyone else it is undefined: run it as yourself.
 * Throws when we are root and there is no `nobody`.
 */
export async function serverUser(): Promise<CommandUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = await Promise.all([
    runCommand('id', ['-u', 'nobody']),
    runCommand('id', ['-g', 'nobody']),
  ]);
  return { uid: Number(uid), gid: Number(gid) };
}

/** Whether the server's user can get into this directory, which needs every directory above it to let it pass. */
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
 * The first directory for temporary files that the server's user can enter (root's `TMPDIR` may be closed to others).
 * `onDisk` asks for one that is not kept in memory, as `/tmp` often is. Throws when there is none.
 */
export async function temporaryDirectory(user: CommandUser | undefined, onDisk: boolean): Promise<string> {
  const candidates = onDisk ? ['/var/tmp', tmpdir(), '/tmp'] : [tmpdir(), '/tmp', '/var/tmp'];
  for (const candidate of candidates) if (await canEnter(candidate, user)) return candidate;
  throw new OperationalError(
    `no directory for temporary files that the server's user can enter: tried ${candidates.join(', ')}. Set TMPDIR.`,
  );
}

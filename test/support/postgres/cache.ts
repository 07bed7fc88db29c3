import { randomBytes } from 'node:crypto';
import { access, constants, lstat, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeOpenDirectory } from './open-directory.ts';
import type { CommandUser } from '../../../src/programs/command.ts';
import { canEnter, temporaryDirectory } from '../../../src/programs/server-user.ts';

/**
 * The directory for downloads, created if missing: `.cache` in the checkout where this process may write and the
 * server's user may read, otherwise a directory of ours among the temporary files. Throws when another user owns that
 * one.
 */
export async function cacheDirectory(user: CommandUser | undefined): Promise<string> {
  const checkout = await realpath(fileURLToPath(new URL('../../..', import.meta.url)));
  const inCheckout = join(checkout, '.cache');
  const mayWrite = await access(checkout, constants.W_OK).then(
    () => true,
    () => false,
  );
  if (mayWrite && (await canEnter(checkout, user))) {
    await makeOpenDirectory(inCheckout);
    if (await canEnter(inCheckout, user)) return inCheckout;
  }
  const ours = join(
    await realpath(await temporaryDirectory(user, true)),
    `agent-lightning-db-${process.getuid?.() ?? 'user'}`,
  );
  await makeOpenDirectory(ours);
  const { uid, mode } = await lstat(ours);
  if (uid !== process.getuid?.() || mode & 0o022) {
    throw new Error(
      `${ours} can be written by another user, who could put programs of theirs there; remove it`,
    );
  }
  return ours;
}

/**
 * Puts a folder in place atomically: `build` fills a folder beside `target`, which is renamed to `target` when `build`
 * is done. So `target` is never incomplete, whatever is killed when; two processes that build at once both succeed, and
 * the first one's folder stays. An existing `target` is kept if `isGood` says so, and replaced otherwise.
 */
export async function publishFolder(
  target: string,
  isGood: () => Promise<boolean>,
  build: (folder: string) => Promise<void>,
): Promise<void> {
  if (await isGood()) return;
  await removeAbandoned(target);
  const folder = `${target}.${unfinished}${randomBytes(6).toString('hex')}`;
  try {
    await makeOpenDirectory(folder);
    await build(folder);
    // Check again: meanwhile another process may have put a good folder there, and may be running from it.
    if (await isGood()) return;
    // A bad folder cannot be renamed over, only moved out of the way.
    await rename(target, `${folder}-replaced`).catch(unless('ENOENT'));
    await rename(folder, target).catch(unless('ENOTEMPTY', 'EEXIST'));
  } finally {
    await rm(folder, { recursive: true, force: true });
    await rm(`${folder}-replaced`, { recursive: true, force: true });
  }
}

const unfinished = 'unfinished-';

const abandonedAfterMs = 60 * 60 * 1000;

/**
 * Removes what a killed process left half built. Only its age tells it from a build that another process is running
 * now.
 */
async function removeAbandoned(target: string): Promise<void> {
  for (const name of await readdir(dirname(target))) {
    if (!name.startsWith(`${basename(target)}.${unfinished}`)) continue;
    const path = join(dirname(target), name);
    const changed = await stat(path).catch(unless('ENOENT'));
    if (changed && Date.now() - changed.mtimeMs > abandonedAfterMs)
      await rm(path, { recursive: true, force: true });
  }
}

function unless(...codes: string[]): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (!codes.includes(error.code ?? '')) throw error;
  };
}

import { constants } from 'node:fs';
import { lstat, open, realpath } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { OperationalError } from '../operational-error.ts';

/** What a path leads to is not a file, or not one that may be read. The message names it. */
export class FileRefused extends OperationalError {
  override name = 'FileRefused';
}

/** A file changed while it was read, so that what was read may be none of its states. */
export class FileChanged extends FileRefused {
  override name = 'FileChanged';
}

/** What tells a file from another one, and from itself after a change. */
export interface FileState {
  readonly size: number;
  readonly state: string;
}

/**
 * Opens a file. What is not a file is refused by name: a folder, a pipe, a device, and a link that leads out of the folder `within` (null:
 * a link may lead anywhere, because its reader named it). Never waits for the writer of a pipe.
 */
export async function openRegular(
  full: string,
  shown: string,
  { within }: { readonly within: string | null },
): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    if (within !== null) await refuseWayOut(full, shown, within);
    handle = await open(full, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    if (error instanceof FileRefused) throw error;
    throw new FileRefused(`${shown} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
  const entry = await handle.stat();
  if (entry.isFile()) return handle;
  await handle.close();
  throw new FileRefused(`${shown} is ${kindOf(entry)}; expected a file`);
}

/** The state of an open file. It is another one once the file has changed, or another one has its name. */
export async function stateOf(handle: FileHandle): Promise<FileState> {
  const { size, ino, dev, mtimeNs } = await handle.stat({ bigint: true });
  return { size: Number(size), state: `${dev}:${ino}:${size}:${mtimeNs}` };
}

/**
 * The bytes of a file. Rejects with FileRefused when it is not one, has more than `most` bytes, or changes while it is read. Reads no more than
 * `first` bytes, if that is given.
 */
export async function readRegular(
  full: string,
  shown: string,
  { most, first = most }: { readonly most: number; readonly first?: number },
): Promise<Buffer> {
  const handle = await openRegular(full, shown, { within: null });
  try {
    const before = await stateOf(handle);
    if (before.size > most && first === most)
      throw new FileRefused(`${shown} has ${before.size} bytes; expected ${most} at most`);
    const wanted = Math.min(before.size, first);
    const buffer = Buffer.alloc(wanted);
    let read = 0;
    while (read < wanted) {
      const { bytesRead } = await handle.read(buffer, read, wanted - read, read);
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    if (read < wanted || (await stateOf(handle)).state !== before.state)
      throw new FileChanged(`${shown} changed while it was read`);
    return buffer;
  } finally {
    await handle.close();
  }
}

/** Why the system refused something, without its code. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  return words.get(code) ?? error.message;
}

const words: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'it does not exist'],
  ['EACCES', 'its rights do not let this user read it'],
  ['ELOOP', 'it is a link that leads in a circle'],
  ['ENXIO', 'it is a pipe or a socket; expected a file'],
]);

/** Refuses a path that leads out of a folder by a link. */
export async function refuseWayOut(full: string, shown: string, within: string): Promise<void> {
  const root = await realpath(within);
  const leadsTo = await realpath(full);
  const relative = path.relative(root, leadsTo);
  if (
    relative !== '' &&
    relative !== '..' &&
    !relative.startsWith(`..${path.sep}`) &&
    !path.isAbsolute(relative)
  )
    return;
  const link = (await lstat(full)).isSymbolicLink() ? 'is a link that' : 'is below a link that';
  throw new FileRefused(`${shown} ${link} leads out of its folder; expected a file in it`);
}

/** What an entry of a folder is, in words. */
export function kindOf(entry: {
  isDirectory(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
  isSymbolicLink(): boolean;
}): string {
  if (entry.isDirectory()) return 'a folder';
  if (entry.isFIFO()) return 'a pipe';
  if (entry.isSocket()) return 'a socket';
  if (entry.isSymbolicLink()) return 'a link';
  return 'a device';
}

import { chmod, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a directory, and those above it that are missing, so that every user may look into each of them, whatever the
 * umask is: the server's user is not always ours. Leaves those that exist as they are.
 */
export async function makeOpenDirectory(path: string): Promise<void> {
  const topmost = await mkdir(path, { recursive: true });
  if (topmost === undefined) return;
  for (let made = path; made.length >= topmost.length; made = dirname(made)) await chmod(made, 0o755);
}

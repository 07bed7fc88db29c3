import { chmod, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Creates a directory and its missing parents so that every user may read each of them, whatever the umask is: the
 * server's user may be another one. Leaves existing directories as they are.
 */
export async function makeOpenDirectory(path: string): Promise<void> {
  const topmost = await mkdir(path, { recursive: true });
  if (topmost === undefined) return;
  for (let made = path; made.length >= topmost.length; made = dirname(made)) await chmod(made, 0o755);
}

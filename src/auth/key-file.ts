import { readFile, stat } from 'node:fs/promises';
import { repeat } from '../repeat.ts';
import type { Repeating } from '../repeat.ts';
import { parseJwtSecret, ownKeys } from './jwt-keys.ts';
import type { JwtKey } from './jwt-keys.ts';

/** How often the file is looked at. Together with a look at what has changed, a removed key opens nothing after two seconds. */
const lookEveryMs = 1_000;
const mostBytes = 1_048_576;

/** Reads the keys of a file without the newline at its end. Rejects with the file system's error, or JwtSecretError. */
export async function readKeyFile(file: string): Promise<readonly JwtKey[]> {
  const { size } = await stat(file);
  if (size > mostBytes) throw new Error(`it has more than ${mostBytes} bytes`);
  const bytes = await readFile(file);
  const text = bytes.toString('latin1').replace(/\r?\n$/, '');
  return parseJwtSecret(Buffer.from(text, 'latin1'), ownKeys);
}

/**
 * Reads the file again whenever it, or what its name leads to, is another one. A file that cannot be used leaves the keys as they
 * were: an editor and a mounted volume write it while somebody reads. In a row of failures, `onError` is called for the
 * first one only.
 */
export function followKeyFile(
  file: string,
  onKeys: (keys: readonly JwtKey[]) => void,
  onError: (error: unknown) => void,
): Repeating {
  let seen = '';
  let failing = false;
  const look = async (): Promise<void> => {
    const { mtimeMs, ctimeMs, size, ino } = await stat(file);
    const found = `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
    if (found === seen) return;
    onKeys(await readKeyFile(file));
    // Read after it was looked at, so a file that changed in between is read once more.
    seen = found;
    failing = false;
  };
  return repeat(look, lookEveryMs, (error) => {
    if (!failing) onError(error);
    failing = true;
  });
}

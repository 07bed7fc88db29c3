import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { FoundFiles } from './store.ts';

/**
 * The `.json` files in a subfolder of the imported folder, ordered by code units. Null when the subfolder does
 * not exist.
 */
export async function jsonFilesIn(folder: string, name: string): Promise<FoundFiles | null> {
  let entries: string[];
  try {
    entries = await readdir(path.join(folder, name));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  const paths = entries.toSorted().map((entry) => `${name}/${entry}`);
  return {
    files: paths.filter((file) => file.endsWith('.json')),
    strangers: paths.filter((file) => !file.endsWith('.json')),
  };
}

/** The file name of a path without `.json`. In the legacy stores this is an agent's id. */
export function stem(file: string): string {
  return path.posix.basename(file, '.json');
}

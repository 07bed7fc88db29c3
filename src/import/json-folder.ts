import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { FoundFiles } from './store.ts';

/** The `.json` files of a folder within the imported one; null when it is not there. The order is that of code units. */
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

/** A path's file name without `.json`: in the legacy stores the id of an agent. */
export function stem(file: string): string {
  return path.posix.basename(file, '.json');
}

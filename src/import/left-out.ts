import path from 'node:path';
import { projectMemories } from './agent-memory.ts';
import { applicationDatabase, otherTables } from './application-database.ts';
import { isJsonObject, readJson } from './json-items.ts';
import { mostLegacyBytes } from './check-folder.ts';
import { tablesBesidePoints } from './metric-points.ts';
import { readRegular } from './regular-file.ts';

/** What a source has and nothing here takes. It is counted, so that it does not vanish unseen. */
export interface LeftOut {
  /** Path relative to the imported folder. */
  readonly source: string;
  readonly what: string;
  readonly count: number;
}

/** Counts what a folder has and is not stored. */
export async function countLeftOut(folder: string): Promise<LeftOut[]> {
  const tables = await otherTables(folder);
  return [
    ...tables.map(({ name, rows }) => ({
      source: applicationDatabase,
      what: `rows of ${name}`,
      count: rows,
    })),
    ...(await tablesBesidePoints(folder)).map(({ file, name, rows }) => ({
      source: file,
      what: `rows of ${name}`,
      count: rows,
    })),
    ...(await countMemories(folder)),
  ];
}

/** An object keyed by project. One that cannot be read counts as one. */
async function countMemories(folder: string): Promise<LeftOut[]> {
  const bytes = await readRegular(path.join(folder, projectMemories), projectMemories, {
    most: mostLegacyBytes,
  }).catch(() => null);
  if (!bytes) return [];
  const value = readJson(bytes).items[0]?.value;
  const count = isJsonObject(value) ? Object.keys(value).length : 1;
  return [{ source: projectMemories, what: 'memories of projects', count }];
}

import { open, readdir, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { OperationalError } from '../operational-error.ts';

/** How far a way to memory and back has come: `rollback.json` in its folder. */
export interface Rollback {
  /** The stop of writes that it began with. As long as the database has that stop, nothing was written since. */
  readonly stop: string;
  /** The tables that the operator named; null: what goes along by default. */
  readonly tables: readonly string[] | null;
}

/** A folder is not one of a rollback, or not of this one. Nothing was changed. */
export class RollbackRefused extends OperationalError {
  override name = 'RollbackRefused';
}

const fileName = 'rollback.json';
const version = 1;

/** What a write that was killed leaves behind. */
const unfinishedName = `${fileName}.unfinished`;

/** Subfolders: the whole export, the part that goes into memory, and what comes back from there. */
export const wholeFolder = 'everything';
export const partFolder = 'critical';
export const backFolder = 'from-memory';

/** Null: the folder has none yet. Rejects with RollbackRefused when the file cannot be one. */
export async function readRollback(folder: string): Promise<Rollback | null> {
  const file = path.join(folder, fileName);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new RollbackRefused(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  const value: unknown = parsed(text);
  if (isRollback(value) && value.version === version) return { stop: value.stop, tables: value.tables };
  throw new RollbackRefused(
    `${file} is not of a rollback of this release; expected what lightning rollback wrote`,
  );
}

/** Whether a folder has files that no rollback put there. */
export async function hasOtherFiles(folder: string): Promise<boolean> {
  return (await readdir(folder)).some((name) => name !== unfinishedName);
}

/** Writes the file as a whole, for its owner only. */
export async function writeRollback(folder: string, { stop, tables }: Rollback): Promise<void> {
  const file = path.join(folder, fileName);
  const unfinished = path.join(folder, unfinishedName);
  const handle = await open(unfinished, 'w', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify({ version, stop, tables }, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(unfinished, file);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isRollback(value: unknown): value is Rollback & { readonly version: number } {
  if (typeof value !== 'object' || value === null) return false;
  const { stop, tables } = value as Record<string, unknown>;
  return (
    typeof stop === 'string' &&
    (tables === null || (Array.isArray(tables) && tables.every((name) => typeof name === 'string')))
  );
}

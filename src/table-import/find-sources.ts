import { createWriteStream } from 'node:fs';
import { glob, mkdtemp, open, readdir, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ImportError } from '../import/read-stores.ts';
import { FileRefused, openRegular } from '../import/regular-file.ts';

/** A file with rows of one table. */
export interface Source {
  /** The path as it was given, or found; `-` for standard input. */
  readonly path: string;
  /** Opens it for reading. The caller closes it. */
  open(): Promise<FileHandle>;
}

/** The sources of an import, and what stands beside them. */
export interface FoundSources {
  readonly sources: readonly Source[];
  /** Entries of folders that are folders themselves: they are not searched. */
  readonly ignored: readonly string[];
  /** Removes what was kept for the import. */
  close(): Promise<void>;
}

/** Most files of one import. */
export const mostSources = 10_000;
/** Most bytes of standard input, which are kept in a temporary file: they are read twice. */
export const mostInputBytes = 16 * 1024 ** 3;

/**
 * Finds the files that paths name: a file, every file of a folder, every file that fits a pattern, and `-` for standard input. Rejects
 * with ImportError for a path that leads to nothing, and for one that is not a file.
 */
export async function findSources(paths: readonly string[], input: Readable): Promise<FoundSources> {
  const found = new Map<string, Source>();
  const ignored: string[] = [];
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const each of closers) await each();
  };
  const add = (file: string, within: string | null): void => {
    found.set(path.resolve(file), { path: file, open: () => openRegular(file, file, { within }) });
    if (found.size > mostSources)
      throw new ImportError(`more than ${mostSources} files; import them in several commands`);
  };
  try {
    for (const each of paths) {
      if (each === '-') {
        const kept = await keepInput(input);
        closers.push(kept.close);
        found.set('-', kept.source);
        continue;
      }
      const entry = await stat(each).catch(() => null);
      if (entry?.isDirectory()) {
        const entries = await readdir(each, { withFileTypes: true });
        for (const inside of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
          const file = path.join(each, inside.name);
          if (inside.isDirectory()) ignored.push(file);
          else add(file, each);
        }
      } else if (entry !== null) add(each, null);
      else await addMatches(each, add, ignored);
    }
    await refuseOthers(found);
    return { sources: [...found.values()], ignored, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The files that fit a pattern. A path without any of its signs is one that does not exist. */
async function addMatches(
  pattern: string,
  add: (file: string, within: string) => void,
  ignored: string[],
): Promise<void> {
  if (!/[*?[{]/.test(pattern))
    throw new ImportError(`${pattern} does not exist; expected a file or a folder`);
  const root = rootOf(pattern);
  let count = 0;
  const matches: string[] = [];
  for await (const match of glob(pattern)) {
    matches.push(match);
    if (matches.length > mostSources)
      throw new ImportError(`more than ${mostSources} entries fit ${pattern}`);
  }
  for (const match of matches.toSorted()) {
    const entry = await stat(match).catch(() => null);
    if (entry?.isDirectory()) ignored.push(match);
    else {
      add(match, root);
      count += 1;
    }
  }
  if (count === 0) throw new ImportError(`no file fits ${pattern}`);
}

/** The folder that a pattern searches: what stands before its first sign. */
function rootOf(pattern: string): string {
  const parts = pattern.split('/');
  const first = parts.findIndex((part) => /[*?[{]/.test(part));
  return parts.slice(0, first).join('/') || (pattern.startsWith('/') ? '/' : '.');
}

/** Every file is opened once before anything else is done, so that all that cannot be read shows at the beginning. */
async function refuseOthers(found: ReadonlyMap<string, Source>): Promise<void> {
  for (const source of found.values()) {
    try {
      await (await source.open()).close();
    } catch (error) {
      throw error instanceof FileRefused ? new ImportError(error.message, { cause: error }) : error;
    }
  }
}

/** Standard input in a temporary file, which has no name any more where the system lets an open file lose it. */
async function keepInput(input: Readable): Promise<{ source: Source; close: () => Promise<void> }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lightning-import-'));
  const close = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const file = path.join(folder, 'input');
  try {
    let bytes = 0;
    await pipeline(
      input,
      async function* (pieces: AsyncIterable<Buffer>) {
        for await (const piece of pieces) {
          bytes += piece.length;
          if (bytes > mostInputBytes)
            throw new ImportError(
              `standard input has more than ${mostInputBytes} bytes; name a file instead`,
            );
          yield piece;
        }
      },
      createWriteStream(file, { mode: 0o600 }),
    );
  } catch (error) {
    await close();
    throw error;
  }
  return { source: { path: '-', open: () => open(file) }, close };
}

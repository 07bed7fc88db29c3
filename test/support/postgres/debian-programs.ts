import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { publishFolder } from './cache.ts';
import { downloadPackages, hostArchives } from './private-apt.ts';
import type { DebianPackages } from './private-apt.ts';
import { type Say, withProgress } from './progress.ts';
import { unpackPrograms } from './unpack.ts';
import type { ProgramPlaces } from './unpack.ts';

/** Programs from Debian that are unpacked and not installed. The packages must include patchelf. */
export interface DebianPrograms extends DebianPackages, ProgramPlaces {}

/**
 * The folder's own absolute path. Its programs name their loader by that path, so a moved checkout needs a new folder.
 */
const placeFile = 'built-for';

/** Makes `folder` unless it is complete. Throws with the obstacle, in words that a person can act on. */
export async function fetchPrograms(
  wanted: DebianPrograms,
  folder: string,
  env: NodeJS.ProcessEnv,
  say: Say,
): Promise<void> {
  await publishFolder(
    folder,
    () => isFinished(folder),
    async (unfinished) => {
      const downloads = join(unfinished, 'download');
      await mkdir(downloads);
      const debs = await downloadPackages(wanted, downloads, await hostArchives(env), env, say);
      await withProgress(say, `unpacking ${debs.length} packages`, () =>
        unpackPrograms(debs, unfinished, folder, wanted),
      );
      await rm(downloads, { recursive: true });
      await writeFile(join(unfinished, placeFile), folder);
    },
  );
}

/** Whether the folder holds a complete download, made for its own path. */
export async function isFinished(folder: string): Promise<boolean> {
  const place = await readFile(join(folder, placeFile), 'utf8').catch(() => undefined);
  return place === folder;
}

import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { runCommand } from '../../../src/programs/command.ts';
import { makeOpenDirectory } from './open-directory.ts';

/** The programs that are wanted from packages. Paths are relative, such as `usr/lib/postgresql`. */
export interface ProgramPlaces {
  /** The program to run, or a folder of programs. */
  readonly binaries: string;
  /** Further files to keep beside the libraries; `binaries` is in one of them. */
  readonly kept: readonly string[];
}

/**
 * Unpacks Debian's packages into `folder` so that the binaries run from `destination`, the absolute path that the folder
 * will be renamed to. They load the C library and everything else from there, not from the host, whose versions
 * differ. Only libraries and the named files are kept; the packages also hold setuid programs, which do not belong in a
 * checkout. The binaries do not run before the rename. Throws CommandError, and also when a package is not as
 * expected.
 */
export async function unpackPrograms(
  debs: readonly string[],
  folder: string,
  destination: string,
  { binaries, kept }: ProgramPlaces,
): Promise<void> {
  const staging = join(folder, 'unpacking');
  await mkdir(staging, { mode: 0o700 });
  for (const deb of debs) await runCommand('dpkg', ['-x', deb, staging]);

  const loader = await findLoader(staging);
  const libraries = relative(staging, join(loader, '..'));
  const place = join(staging, binaries);
  const programs = (await stat(place)).isDirectory()
    ? (await readdir(place)).map((name) => join(place, name))
    : [place];
  // patchelf comes from the same packages and needs their C library too, so it is run with their loader.
  await runCommand(loader, [
    '--library-path',
    join(staging, libraries),
    join(staging, 'usr', 'bin', 'patchelf'),
    '--set-interpreter',
    join(destination, relative(staging, loader)),
    // DT_RPATH, not DT_RUNPATH: it also applies to the libraries of libraries, and to extensions loaded later.
    '--force-rpath',
    '--set-rpath',
    join(destination, libraries),
    ...programs,
  ]);

  for (const path of [libraries, ...kept]) {
    await makeOpenDirectory(join(folder, path, '..'));
    await rename(join(staging, path), join(folder, path));
  }
  await rm(staging, { recursive: true });
}

/**
 * The dynamic loader. Its name and its place differ by architecture (`ld-linux-x86-64.so.2`, `ld-linux-aarch64.so.1`).
 */
async function findLoader(root: string): Promise<string> {
  const libraries = join(root, 'usr', 'lib');
  for (const directory of await readdir(libraries, { withFileTypes: true })) {
    if (!directory.isDirectory() || !directory.name.includes('-linux-gnu')) continue;
    const names = await readdir(join(libraries, directory.name));
    const loader = names.find((name) => /^ld-linux.*\.so\.\d+$/.test(name));
    if (loader) return join(libraries, directory.name, loader);
  }
  throw new Error('the C library package holds no dynamic loader under usr/lib');
}

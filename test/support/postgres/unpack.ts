import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { runCommand } from '../../../src/programs/command.ts';
import { makeOpenDirectory } from './open-directory.ts';

/** Where the binaries are in a folder that `unpackPostgres` filled. */
export const binariesInFolder = join('usr', 'lib', 'postgresql', '17', 'bin');

/**
 * Unpacks Debian's packages into `folder` so that the binaries run from `destination`, the absolute path that the folder
 * will be renamed to: they load the C library and everything else from there, not from the host, whose versions are
 * older. Only libraries, Postgres and what it shares are kept; the packages also hold setuid programs, which have no
 * business in a checkout. The binaries do not run before the rename. Throws CommandError, or when a package is not as
 * expected.
 */
export async function unpackPostgres(
  debs: readonly string[],
  folder: string,
  destination: string,
): Promise<void> {
  const staging = join(folder, 'unpacking');
  await mkdir(staging, { mode: 0o700 });
  for (const deb of debs) await runCommand('dpkg', ['-x', deb, staging]);

  const loader = await findLoader(staging);
  const libraries = relative(staging, join(loader, '..'));
  const binaries = await readdir(join(staging, binariesInFolder));
  // patchelf comes from the same packages and needs their C library too, so their loader runs it.
  await runCommand(loader, [
    '--library-path',
    join(staging, libraries),
    join(staging, 'usr', 'bin', 'patchelf'),
    '--set-interpreter',
    join(destination, relative(staging, loader)),
    // DT_RPATH, not DT_RUNPATH: it also holds for the libraries of libraries, and for extensions loaded later.
    '--force-rpath',
    '--set-rpath',
    join(destination, libraries),
    ...binaries.map((name) => join(staging, binariesInFolder, name)),
  ]);

  for (const kept of [join('usr', 'lib', 'postgresql'), libraries, join('usr', 'share', 'postgresql')]) {
    await makeOpenDirectory(join(folder, kept, '..'));
    await rename(join(staging, kept), join(folder, kept));
  }
  await rm(staging, { recursive: true });
}

/** The dynamic loader's name differs by architecture (`ld-linux-x86-64.so.2`, `ld-linux-aarch64.so.1`), its place too. */
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

import { cp, mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { runCommand } from '../../src/programs/command.ts';
import { cacheDirectory, publishFolder } from './postgres/cache.ts';
import { downloadPackages, hostArchives } from './postgres/private-apt.ts';

const below = join('usr', 'lib', 'python3', 'dist-packages');

/**
 * A folder for PYTHONPATH with trixie's SQLAlchemy, which is 2.0 (bookworm has 1.4), in the cache from its first use on. Debian's
 * Python finds psycopg where it is installed. Rejects with the reason when there is no Debian archive.
 */
export async function sqlalchemy2(): Promise<string> {
  const folder = join(await cacheDirectory(undefined), 'sqlalchemy-trixie');
  const isThere = () =>
    runCommand('/usr/bin/python3', ['-c', 'import sqlalchemy; print(sqlalchemy.__version__)'], {
      env: { PYTHONPATH: folder },
    }).then(
      (version) => version.startsWith('2.'),
      () => false,
    );
  await publishFolder(folder, isThere, async (unfinished) => {
    const downloads = join(unfinished, 'download');
    await mkdir(downloads);
    const debs = await downloadPackages(
      {
        release: 'trixie',
        packages: ['python3-sqlalchemy'],
        description: "trixie's SQLAlchemy, about 30 MB",
      },
      downloads,
      await hostArchives(process.env),
      process.env,
      (line) => void process.stderr.write(`${line}\n`),
    );
    for (const deb of debs)
      if (/^python3-(sqlalchemy|typing-extensions)_/.test(basename(deb)))
        await runCommand('dpkg', ['-x', deb, downloads]);
    await cp(join(downloads, below), unfinished, { recursive: true });
    await rm(downloads, { recursive: true });
  });
  return folder;
}

import { join } from 'node:path';
import { runCommand } from '../../../src/programs/command.ts';
import type { CommandUser } from '../../../src/programs/command.ts';
import { cacheDirectory } from '../postgres/cache.ts';
import { fetchPrograms } from '../postgres/debian-programs.ts';
import type { Say } from '../postgres/progress.ts';

/** Debian releases whose PgBouncers differ: bookworm's does not support prepared statements. */
export type DebianRelease = keyof typeof versions;

/** Versions of PgBouncer, as it prints them. */
const versions = { bookworm: /^PgBouncer 1\.18\./, trixie: /^PgBouncer 1\.24\./ };

const program = join('usr', 'sbin', 'pgbouncer');

/**
 * The PgBouncer of a Debian release: the installed one if it has that version, or else Debian's package, unpacked and
 * kept in the same way as Postgres's. Throws with the reason when neither is available.
 */
export async function pgbouncerProgram(
  release: DebianRelease,
  user: CommandUser | undefined,
  say: Say,
): Promise<string> {
  for (const installed of ['/usr/sbin/pgbouncer', 'pgbouncer']) {
    const answer = await runCommand(installed, ['--version'], { user }).catch(() => '');
    if (versions[release].test(answer)) return installed;
  }
  const folder = join(await cacheDirectory(user), `pgbouncer-${release}`);
  await fetchPrograms(
    {
      release,
      packages: ['pgbouncer', 'patchelf'],
      description: `${release}'s PgBouncer, about 30 MB`,
      binaries: program,
      kept: [program],
    },
    folder,
    process.env,
    say,
  );
  const fetched = join(folder, program);
  const answer = await runCommand(fetched, ['--version'], { user });
  if (!versions[release].test(answer)) throw new Error(`${fetched} is ${answer.split('\n')[0] ?? ''}`);
  return fetched;
}

import { access, readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { runCommand } from './command.ts';

/**
 * Directories that may hold Postgres's programs: the one that `pg_config` names, those in `PATH`, and the
 * places that Debian, Red Hat and Homebrew use, with the newest version first within each place. Most of them
 * do not exist.
 */
export async function programPlaces(env: NodeJS.ProcessEnv): Promise<Set<string>> {
  const configured = await runCommand('pg_config', ['--bindir'], { env }).catch(() => '');
  const fromPath = env['PATH']?.split(delimiter).filter(Boolean) ?? [];
  return new Set([
    ...(configured ? [configured.trim()] : []),
    ...fromPath,
    ...(await versions('/usr/lib/postgresql', /^\d+$/)),
    ...(await versions('/usr', /^pgsql-\d+$/)),
    ...(await versions('/opt/homebrew/opt', /^postgresql@\d+$/)),
    ...(await versions('/usr/local/opt', /^postgresql@\d+$/)),
  ]);
}

/** Whether a file or directory has this path. */
export function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function versions(parent: string, pattern: RegExp): Promise<string[]> {
  const names = (await readdir(parent).catch(() => [])).filter((name) => pattern.test(name));
  return names.sort((a, b) => major(b) - major(a)).map((name) => join(parent, name, 'bin'));
}

function major(name: string): number {
  return Number(/\d+$/.exec(name)?.[0]);
}

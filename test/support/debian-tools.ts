import { runCommand } from '../../src/programs/command.ts';

/** A tool from Debian that tests need beyond npm and Postgres. `.ci/run` installs all of them. */
export interface DebianTool {
  /** The name of the Debian package. */
  readonly name: string;
  /** The tests that need this tool. */
  readonly tests: string;
  /** A command that succeeds where the tool is installed. */
  readonly probe: readonly [program: string, ...args: string[]];
}

/** Debian's own Python: another Python that comes first in PATH does not see Debian's modules. */
export const debianPython = '/usr/bin/python3';

/** The script that starts Debian's Chromium. */
export const chromiumPath = '/usr/bin/chromium';

export const debianTools = [
  {
    name: 'chromium',
    tests: 'the pages that are served, and clients on a page of another origin, in a browser',
    probe: ['test', '-x', chromiumPath],
  },
  {
    name: 'curl',
    tests: 'the blocks of README and docs, as they stand',
    probe: ['curl', '--version'],
  },
  {
    name: 'haproxy',
    tests: 'a rolling restart behind a balancer',
    probe: ['/usr/sbin/haproxy', '-v'],
  },
  {
    name: 'openssl',
    tests: 'TLS, to the database and to the API, with an authority made on the spot',
    probe: ['openssl', 'version'],
  },
  {
    name: 'postgresql-client',
    tests: 'the blocks of README and docs, as they stand',
    probe: ['psql', '--version'],
  },
  {
    name: 'prometheus',
    tests:
      'the metrics as Prometheus scrapes them, the rules of alerts and the dashboard (promtool is in it)',
    probe: ['promtool', '--version'],
  },
  {
    name: 'python3-psycopg',
    tests: "psycopg's quick start, on an analyst's login and on the embedded database",
    probe: [debianPython, '-c', 'import psycopg'],
  },
  {
    name: 'python3-psycopg2',
    tests: "psycopg2, SQLAlchemy's default driver",
    probe: [debianPython, '-c', 'import psycopg2'],
  },
  {
    name: 'python3-requests',
    tests: 'the worker of docs/tasks.md',
    probe: [debianPython, '-c', 'import requests'],
  },
  {
    name: 'python3-sqlalchemy',
    tests: "SQLAlchemy's tutorial, on an analyst's login and on the embedded database",
    probe: [debianPython, '-c', 'import sqlalchemy'],
  },
  {
    name: 'python3-swift',
    tests: "backups in object storage, on OpenStack Swift's S3 API",
    probe: [debianPython, '-c', 'import swift.common.middleware.s3api'],
  },
  {
    name: 'systemd',
    tests: 'the units of docs/deploy',
    probe: ['systemd-analyze', '--version'],
  },
] as const satisfies readonly DebianTool[];

export type DebianToolName = (typeof debianTools)[number]['name'];

/** Checks which tools are installed. */
export async function findMissingTools(): Promise<DebianToolName[]> {
  const found = await Promise.all(
    debianTools.map(async (tool) => ((await isThere(tool)) ? [] : [tool.name])),
  );
  return found.flat();
}

/**
 * The notice of the tests that a run skips for lack of tools, and how to install these. Null when no tool is missing.
 */
export function missingToolsNotice(missing: readonly DebianToolName[]): string | null {
  if (missing.length === 0) return null;
  const lines = debianTools
    .filter(({ name }) => missing.includes(name))
    .map(({ name, tests }) => `  ${tests} (${name})`);
  return [
    '',
    'SKIPPED for want of a tool:',
    ...lines,
    `To run them on Debian: apt-get install --no-install-recommends ${missing.join(' ')}`,
    '',
  ].join('\n');
}

async function isThere({ probe: [program, ...args] }: DebianTool): Promise<boolean> {
  try {
    await runCommand(program, args);
    return true;
  } catch {
    return false;
  }
}

import { chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { keep } from '../../../src/programs/keeper.ts';
import { serverUser, temporaryDirectory } from '../../../src/programs/server-user.ts';
import { freePort } from '../free-port.ts';
import { pgbouncerProgram } from './program.ts';
import type { DebianRelease } from './program.ts';

const page = fileURLToPath(new URL('../../../docs/poolers.md', import.meta.url));

/** A set-up of PgBouncer that operators may have. */
export interface PgbouncerSetup {
  readonly name: string;
  readonly release: DebianRelease;
  /** Lines in addition to the page's. */
  readonly lines: readonly string[];
}

/**
 * In transaction mode: one that does not support prepared statements, one configured not to track them, and one that
 * tracks them.
 */
export const pgbouncerSetups: readonly PgbouncerSetup[] = [
  { name: 'PgBouncer 1.18', release: 'bookworm', lines: [] },
  {
    name: 'PgBouncer 1.24 without prepared statements',
    release: 'trixie',
    lines: ['max_prepared_statements = 0'],
  },
  { name: 'PgBouncer 1.24', release: 'trixie', lines: [] },
];

/** A running PgBouncer. */
export interface Pgbouncer {
  /** The same database and login, through the pooler. */
  through(url: string): string;
  stop(): Promise<void>;
}

/**
 * Starts a PgBouncer with the configuration of docs/poolers.md in front of the server of these URLs, for their logins. It
 * ends when this process does. Rejects with its log when it does not come up.
 *
 * @param lines further lines of the configuration, which override earlier ones
 */
export async function startPgbouncer(
  { release, lines }: PgbouncerSetup,
  urls: readonly string[],
  say: (line: string) => void = (line) => void process.stderr.write(`${line}\n`),
): Promise<Pgbouncer> {
  const user = await serverUser();
  const program = await pgbouncerProgram(release, user, say);
  const directory = await mkdtemp(join(await temporaryDirectory(user, false), 'agent-lightning-pgbouncer-'));
  const port = await freePort();
  const users = new Map(urls.map((url) => [new URL(url).username, new URL(url).password]));
  const [server] = urls.map((url) => new URL(url));
  const userlist = join(directory, 'userlist.txt');
  const configuration = join(directory, 'pgbouncer.ini');
  const own = [`listen_port = ${port}`, `auth_file = ${userlist}`, 'unix_socket_dir =', ...lines];
  await writeFile(
    configuration,
    (await configurationOf(release))
      .replace('host=db.example port=5432', `host=${server?.hostname ?? ''} port=${server?.port ?? ''}`)
      .concat(own.join('\n'), '\n'),
  );
  await writeFile(userlist, [...users].map(([name, password]) => `"${name}" "${password}"\n`).join(''));
  if (user) for (const path of [directory, configuration, userlist]) await chown(path, user.uid, user.gid);
  const kept = await keep({
    directory,
    program,
    args: [configuration],
    user,
    env: { PATH: process.env['PATH'] },
  });
  const through = (url: string) =>
    Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(port) }).href;
  try {
    await untilReady(through(urls[0] ?? ''), () => kept.hasEnded());
  } catch (error) {
    const log = await kept.log();
    await kept.stop();
    await rm(directory, { recursive: true, force: true });
    throw new Error(`PgBouncer did not come up; the end of its log:\n${log}`, { cause: error });
  }
  kept.unref();
  return { through, stop: () => kept.stop() };
}

/** The page's configuration, with its additions for newer versions only where they apply. */
async function configurationOf(release: DebianRelease): Promise<string> {
  const [basic = '', newer = ''] = [...(await readFile(page, 'utf8')).matchAll(/^```ini\n(.*?)^```$/gms)].map(
    ([, text = '']) => text,
  );
  return release === 'bookworm' ? basic : `${basic}${newer}`;
}

async function untilReady(url: string, hasEnded: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 30_000; ;) {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query('select 1');
      return;
    } catch (error) {
      if (hasEnded() || Date.now() > deadline) throw error;
      await sleep(50);
    } finally {
      await client.end().catch(() => {});
    }
  }
}

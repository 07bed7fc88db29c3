import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { serverUser, temporaryDirectory } from '../../src/programs/server-user.ts';
import { exactPoint } from '../support/exact-point.ts';
import type { Point } from '../support/exact-point.ts';
import { freePort } from '../support/free-port.ts';
import { lightning, spawnLightning } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { startOwnServer } from '../support/postgres/own-server.ts';
import type { OwnServer } from '../support/postgres/own-server.ts';
import { startWriteLoad } from '../support/write-load.ts';
import { isAlive } from './server/processes.ts';
import { strongSecret } from '../support/token-keys.ts';

const page = fileURLToPath(new URL('../../docs/recovery.md', import.meta.url));
const bin = fileURLToPath(new URL('../../bin/lightning', import.meta.url));

export interface RecoveryPageOptions {
  readonly binDirectory: string;
  /** As in `startOwnServer`. */
  readonly commandLine: readonly string[];
  /** `BACKUP_STORE` and its companions; `folder` is removed in the end. */
  readonly store: (folder: string) => Readonly<Record<string, string>>;
  readonly say: (what: string) => void;
}

/** The result of following the page. */
export interface FollowedPage {
  /** Rows whose insert the lost server acknowledged, except those deleted by mistake: all of them are back. */
  readonly acknowledged: number;
  /** Rows deleted by mistake: all of them are in the copy of the moment before, and the new server has none. */
  readonly mistaken: number;
  /** Rows in the copy of the moment before: as many as existed at that moment. */
  readonly earlier: number;
  /** The output of the restore. */
  readonly restored: string;
}

/**
 * Destroys a server that was backed up, while others write, and follows docs/recovery.md to the letter. Rejects with
 * an AssertionError when a step of the page does not work, or an acknowledged row is missing.
 */
export async function followRecoveryPage({
  binDirectory,
  commandLine,
  store,
  say,
}: RecoveryPageOptions): Promise<FollowedPage> {
  const user = await serverUser();
  const folder = await mkdtemp(join(await temporaryDirectory(user, false), 'lightning-runbook-'));
  // The server's user must be able to enter the restored directory.
  await chmod(folder, 0o711);
  say('making a server');
  const own = await startOwnServer(binDirectory, { commandLine });
  await symlink(bin, join(folder, 'lightning'));
  const env: Record<string, string> = {
    PATH: `${folder}:${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin`,
    DATABASE_URL: own.urls.api,
    MIGRATE_DATABASE_URL: own.urls.migrate,
    WORKER_DATABASE_URL: own.urls.worker,
    BACKUP_DATABASE_URL: own.urls.backup,
    DB_ROLE_PREFIX: testRolePrefix,
    JWT_SECRET: strongSecret,
    BACKUP_SPOOL_DIR: join(folder, 'spool'),
    BACKUP_BIN_DIR: binDirectory,
    BACKUP_SYNCHRONOUS_WAL: 'true',
    ...store(folder),
  };
  try {
    const lost = await loseServer(own, env, say);
    say('following the page');
    const blocks = await blocksOfThePage([
      ['/etc/agent-lightning.env', join(folder, 'lightning.env')],
      ['/usr/lib/postgresql/17/bin', binDirectory],
      ['/var/lib/postgresql/new', join(folder, 'new')],
      ['postgres:', `${user ? 'nobody' : userInfo().username}:`],
      ['runuser -u postgres', user ? 'runuser -u nobody' : 'env'],
      ['5432', new URL(own.adminUrl).port],
      ['2026-11-27T02:59:30Z', lost.before.time],
      ['/var/lib/postgresql/earlier', join(folder, 'earlier')],
      ['5433', String(await freePort())],
    ]);
    return await follow(blocks, folder, env, own, lost);
  } finally {
    for (const restored of ['new', 'earlier']) await endServer(join(folder, restored));
    await own.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface Lost {
  readonly acknowledged: readonly string[];
  /** A moment before the mistake. */
  readonly before: Point;
  /** Ids of the rows deleted by mistake. */
  readonly mistaken: ReadonlySet<unknown>;
}

/** The server's life until somebody opens the page: it is backed up, suffers a mistake, goes on, and is gone. */
async function loseServer(
  own: OwnServer,
  env: Record<string, string>,
  say: (what: string) => void,
): Promise<Lost> {
  const worker = spawnLightning(['work'], env);
  await until(
    () => worker.log().includes('wal-received'),
    () => worker.log(),
  );
  await asAdmin(own.adminUrl, "alter system set synchronous_standby_names = 'lightning_backup'");
  await asAdmin(own.adminUrl, 'select pg_reload_conf()');
  const load = startWriteLoad(own.urls.api, { pauseMs: 10 });
  for (const kind of ['--full', '--incremental']) {
    say(`making a backup: ${kind.slice(2)}`);
    const backup = await lightning(['backup', kind], env);
    assert.equal(backup.status, 0, backup.stderr);
  }
  await until(() => load.acknowledged.length > 20);
  const before = await exactPoint(own.adminUrl);
  const deleted = await asAdmin(
    own.adminUrl,
    "delete from app_public.agents where id like '%0' returning id",
  );
  await until(() => load.acknowledged.length > before.agents + 20);
  say('destroying the server');
  await own.destroy();
  await load.stop();
  worker.process.kill('SIGTERM');
  await worker.ended;
  assert.ok(load.acknowledged.length > before.agents);
  assert.ok(deleted.length > 0);
  return {
    acknowledged: load.acknowledged,
    before,
    mistaken: new Set(deleted.map((row) => row['id'])),
  };
}

/**
 * The page's blocks, with the test's values where the page says to replace something: in all of those places, and
 * nowhere else.
 */
async function blocksOfThePage(
  places: readonly (readonly [onThePage: string, here: string])[],
): Promise<readonly string[]> {
  const text = await readFile(page, 'utf8');
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block);
  const wanted = [...text.matchAll(/^\| `([^`]+)`\s*\|/gm)].map(([, place]) => place);
  assert.deepEqual(
    wanted,
    places.map(([onThePage]) => onThePage),
    'what the page says to replace',
  );
  assert.equal(blocks.length, 7);
  return places
    .reduce((said, [onThePage, here]) => {
      assert.ok(said.includes(onThePage), onThePage);
      return said.replaceAll(onThePage, here);
    }, blocks.join('\u0000'))
    .split('\u0000');
}

async function follow(
  blocks: readonly string[],
  folder: string,
  env: Record<string, string>,
  own: OwnServer,
  { acknowledged, before, mistaken }: Lost,
): Promise<FollowedPage> {
  await writeFile(
    join(folder, 'lightning.env'),
    Object.entries(env)
      .map(([name, value]) => `${name}='${value}'\n`)
      .join(''),
  );
  const [look, restore, start, examine, goOn, mistake, stopCopy] = blocks;
  // A reader looks at the copy's rows between the two blocks, and so does this.
  const [, copyPort] = /lightning recover .* --port (\d+)/.exec(mistake ?? '') ?? [];
  const copy = Object.assign(new URL(own.adminUrl), { port: copyPort }).href;
  const count = `"$BACKUP_BIN_DIR/psql" '${copy}' -Atc 'select count(*) from app_public.agents' > earlier-agents\n`;
  const said = await pasteIntoShell(
    [look, restore, start, examine, goOn, mistake, count, stopCopy].join('echo "==="\n'),
    folder,
    env['PATH'] ?? '',
  );
  const [looked = '', restored = '', started = '', examined = '', wentOn = ''] = said.split('===\n');
  assert.match(looked, /restore --to reaches from /);
  assert.doesNotMatch(looked, /WRONG|DAMAGED|BROKEN/);
  assert.match(started, /the server accepts writes on port/);
  assert.match(examined, /can_restore +\| t/);
  assert.match(wentOn, /-full-/);

  const stored = await asAdmin(
    own.adminUrl,
    'select id, pg_is_in_recovery() as reading from app_public.agents',
  );
  const ids = new Set(stored.map((row) => row['id']));
  assert.equal(stored[0]?.['reading'], false);
  assert.deepEqual(
    acknowledged.filter((id) => !ids.has(id) && !mistaken.has(id)),
    [],
    'rows that were acknowledged and are missing',
  );
  assert.deepEqual(
    [...mistaken].filter((id) => ids.has(id)),
    [],
    'rows that were deleted and are there',
  );
  assert.equal(
    Number(await readFile(join(folder, 'earlier-agents'), 'utf8')),
    before.agents,
    'rows of the moment before the mistake',
  );
  const backups = await lightning(['backups'], env);
  assert.match(backups.stdout, /-full-.*timeline 2/);
  return {
    acknowledged: acknowledged.filter((id) => !mistaken.has(id)).length,
    mistaken: mistaken.size,
    earlier: before.agents,
    restored,
  };
}

/** Runs the script in a shell that stops at the first error, and ends its background processes, except servers. */
async function pasteIntoShell(script: string, folder: string, path: string): Promise<string> {
  const home = join(folder, 'home');
  await mkdir(home);
  const shell = spawn('bash', ['-euo', 'pipefail'], {
    cwd: folder,
    env: { PATH: path, HOME: home },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  let [stdout, stderr] = ['', ''];
  shell.stdout.on('data', (data) => (stdout += String(data)));
  shell.stderr.on('data', (data) => (stderr += String(data)));
  shell.stdin.end(script);
  const [status] = await once(shell, 'close');
  try {
    assert.equal(status, 0, `${stdout}\n${stderr}`);
  } finally {
    endGroup(shell.pid!);
  }
  return stdout;
}

/** Ends the page's worker, if it was started. */
function endGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGTERM');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Ends the server of a directory, if there is one, and waits for it. */
async function endServer(dataDirectory: string): Promise<void> {
  const lock = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number(lock.split('\n')[0]);
  if (!pid || !isAlive(pid)) return;
  process.kill(pid, 'SIGINT');
  await until(() => !isAlive(pid));
}

const patienceMs = 180_000;

async function until(holds: () => boolean, explain: () => string = () => ''): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!holds()) {
    assert.ok(
      performance.now() < deadline,
      `it did not come to that in ${patienceMs / 1000} s: ${explain()}`,
    );
    await sleep(20);
  }
}

async function asAdmin(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

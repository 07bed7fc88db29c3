import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { serverUser, temporaryDirectory } from '../../src/programs/server-user.ts';
import { exactPoint } from '../support/exact-point.ts';
import type { Point } from '../support/exact-point.ts';
import { freePort } from '../support/free-port.ts';
import { lightning, spawnLightning } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { startOwnServer } from '../support/postgres/own-server.ts';
import type { OwnServer } from '../support/postgres/own-server.ts';
import { readyServer } from '../support/server.ts';
import { startWriteLoad } from '../support/write-load.ts';

const page = fileURLToPath(new URL('../../docs/recovery.md', import.meta.url));
const bin = fileURLToPath(new URL('../../bin/lightning', import.meta.url));
const server = inject('server');
const noPrograms = server.kind === 'unavailable' || !server.binDirectory || process.platform === 'win32';

describe.skipIf(noPrograms)('docs/recovery.md', { timeout: 240_000 }, () => {
  let folder: string;
  let own: OwnServer;
  let env: Record<string, string>;
  /** What the page has, and what it is here. */
  let places: readonly (readonly [onThePage: string, here: string])[];
  let acknowledged: readonly string[];
  let mistaken: ReadonlySet<unknown>;
  let before: Point;

  beforeAll(async () => {
    const user = await serverUser();
    folder = await mkdtemp(join(await temporaryDirectory(user, false), 'lightning-runbook-'));
    // The server's user has to get to the restored directory.
    await chmod(folder, 0o711);
    own = await startOwnServer(readyServer().binDirectory!);
    await symlink(bin, join(folder, 'lightning'));
    env = {
      PATH: `${folder}:${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin`,
      DATABASE_URL: own.urls.api,
      MIGRATE_DATABASE_URL: own.urls.migrate,
      WORKER_DATABASE_URL: own.urls.worker,
      BACKUP_DATABASE_URL: own.urls.backup,
      DB_ROLE_PREFIX: testRolePrefix,
      JWT_SECRET: 'x'.repeat(32),
      BACKUP_STORE: join(folder, 'store'),
      BACKUP_SPOOL_DIR: join(folder, 'spool'),
      BACKUP_BIN_DIR: readyServer().binDirectory!,
      BACKUP_SYNCHRONOUS_WAL: 'true',
    };
  });

  afterAll(async () => {
    await own.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  // Until the moment at which somebody opens the page.
  test('a server that was backed up, suffers a mistake, and goes on, is lost', async () => {
    const worker = spawnLightning(['work'], env);
    await expect.poll(() => worker.log(), { timeout: 60_000 }).toContain('wal-received');
    await asAdmin(own.adminUrl, "alter system set synchronous_standby_names = 'lightning_backup'");
    await asAdmin(own.adminUrl, 'select pg_reload_conf()');
    const load = startWriteLoad(own.urls.api, { pauseMs: 10 });
    for (const kind of ['--full', '--incremental']) {
      const backup = await lightning(['backup', kind], env);
      expect(backup.status, backup.stderr).toBe(0);
    }
    await expect.poll(() => load.acknowledged.length).toBeGreaterThan(20);
    before = await exactPoint(own.adminUrl);
    const deleted = await asAdmin(
      own.adminUrl,
      "delete from app_public.agents where id like '%0' returning id",
    );
    mistaken = new Set(deleted.map((row) => row['id']));
    await expect.poll(() => load.acknowledged.length).toBeGreaterThan(before.agents + 20);
    await own.destroy();
    await load.stop();
    acknowledged = load.acknowledged;
    worker.process.kill('SIGTERM');
    await worker.ended;
    expect(acknowledged.length).toBeGreaterThan(before.agents);
    const user = await serverUser();
    const file = join(folder, 'lightning.env');
    await writeFile(
      file,
      Object.entries(env)
        .map(([name, value]) => `${name}='${value}'\n`)
        .join(''),
    );
    places = [
      ['/etc/agent-lightning.env', file],
      ['/usr/lib/postgresql/17/bin', readyServer().binDirectory!],
      ['/var/lib/postgresql/new', join(folder, 'new')],
      ['postgres:', `${user ? 'nobody' : userInfo().username}:`],
      ['runuser -u postgres', user ? 'runuser -u nobody' : 'env'],
      ['5432', new URL(own.adminUrl).port],
      ['2026-11-27T02:59:30Z', before.time],
      ['/var/lib/postgresql/earlier', join(folder, 'earlier')],
      ['5433', String(await freePort())],
    ];
  });

  test('followed to the letter, brings back every acknowledged row, and the moment before a mistake', async () => {
    const text = await readFile(page, 'utf8');
    const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block!);
    const wanted = [...text.matchAll(/^\| `([^`]+)`\s*\|/gm)].map(([, place]) => place!);
    expect(wanted, 'what the page says to replace').toEqual(places.map(([onThePage]) => onThePage));
    expect(blocks).toHaveLength(7);
    const script = places.reduce((said, [onThePage, here]) => {
      expect(said).toContain(onThePage);
      return said.replaceAll(onThePage, here);
    }, blocks.join('\u0000'));
    const [look, restore, start, examine, goOn, mistake, stopCopy] = script.split('\u0000');
    // What a reader does between the blocks: sees what the copy holds, and stops what runs here.
    const copy = Object.assign(new URL(own.adminUrl), { port: places.at(-1)![1] }).href;
    const count = `"$BACKUP_BIN_DIR/psql" '${copy}' -Atc 'select count(*) from app_public.agents' > earlier-agents\n`;
    const said = await follow(
      [look, restore, start, examine, goOn, mistake, count, stopCopy].join('echo "==="\n'),
    );
    const answers = said.split('===\n');
    expect(answers[0]).toMatch(/restore --to reaches from /);
    expect(answers[0]).not.toMatch(/WRONG|DAMAGED|BROKEN/);
    expect(answers[3]).toMatch(/can_restore +\| t/);
    expect(answers[4]).toMatch(/-full-/);

    const stored = await asAdmin(
      own.adminUrl,
      'select id, pg_is_in_recovery() as reading from app_public.agents',
    );
    const ids = new Set(stored.map((row) => row['id']));
    expect(stored[0]!['reading']).toBe(false);
    expect(acknowledged.filter((id) => !ids.has(id) && !mistaken.has(id))).toEqual([]);
    expect(mistaken.size).toBeGreaterThan(0);
    expect(
      [...mistaken].filter((id) => ids.has(id)),
      'the mistake was made',
    ).toEqual([]);
    const earlier = Number(await readFile(join(folder, 'earlier-agents'), 'utf8'));
    expect(earlier).toBe(before.agents);
    const backups = await lightning(['backups'], env);
    expect(backups.stdout).toMatch(/-full-.*timeline 2/);
  });

  /** Runs it in a shell that stops at the first error, and whatever it started in the background afterwards. */
  async function follow(script: string): Promise<string> {
    const home = join(folder, 'home');
    await mkdir(home);
    const shell = spawn('bash', ['-euo', 'pipefail'], {
      cwd: folder,
      env: { PATH: env['PATH'], HOME: home },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    let [stdout, stderr] = ['', ''];
    shell.stdout.on('data', (data) => (stdout += String(data)));
    shell.stderr.on('data', (data) => (stderr += String(data)));
    shell.stdin.end(script);
    const [status] = await once(shell, 'close');
    try {
      expect(status, `${stdout}\n${stderr}`).toBe(0);
    } finally {
      // The worker of the page.
      process.kill(-shell.pid!, 'SIGTERM');
    }
    return stdout;
  }
});

async function asAdmin(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

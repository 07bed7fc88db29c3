import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { chmod, chown, mkdtemp, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serverUser, temporaryDirectory } from '../../src/programs/server-user.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { compileCache } from '../support/compile-cache.ts';
import { copyDataDirectory, migratedDataDirectory } from '../support/embedded-template.ts';
import { lightning, startLightning } from '../support/lightning.ts';
import type { Started } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';
import { startWebhook } from '../support/webhook.ts';
import type { Webhook } from '../support/webhook.ts';
import { strongSecret } from '../support/token-keys.ts';

/** Whether this process may mount a small file system in memory: root may, outside of most containers. */
const canMount = (() => {
  const at = spawnSync('mktemp', ['-d']).stdout?.toString().trim();
  if (!at || spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', at]).status !== 0) return false;
  return spawnSync('umount', [at]).status === 0;
})();

function mount(at: string, size: string): void {
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', at]);
  if (status !== 0) throw new Error(String(stderr));
}

const post = async ({ url }: Started, path: string, token: string, body: object) => {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  return {
    status: response.status,
    retryAfter: response.headers.get('retry-after'),
    text: await response.text(),
  };
};
/** Text that cannot be compressed. */
const large = () => randomBytes(400_000).toString('base64');
const createTask =
  'mutation ($d: String!) { createTask(input: { task: { description: $d } }) { task { id } } }';

describe.skipIf(!canMount || noServer)('a server whose disk is full', () => {
  let made: MigratedDatabase;
  let admin: Client;
  let folder: string;
  let webhook: Webhook;
  let started: Started;
  let log = '';
  const space = `small_${randomBytes(3).toString('hex')}`;

  beforeAll(async () => {
    made = await migratedDatabase();
    const user = await serverUser();
    folder = await mkdtemp(join(await temporaryDirectory(user, false), 'lightning-full-'));
    mount(folder, '8m');
    if (user) await chown(folder, user.uid, user.gid);
    await chmod(folder, 0o700);
    admin = new Client({ connectionString: made.adminUrl });
    await admin.connect();
    await admin.query(`create tablespace ${space} location '${folder}'`);
    await admin.query(`alter table app_public.tasks set tablespace ${space}`);
    webhook = await startWebhook();
    started = await startLightning({
      DATABASE_URL: made.urls.api,
      MIGRATE_DATABASE_URL: made.urls.migrate,
      WORKER_DATABASE_URL: made.urls.worker,
      DB_ROLE_PREFIX: testRolePrefix,
      JWT_SECRET: strongSecret,
      ALERT_WEBHOOK_URL: webhook.url.reveal(),
    });
    started.process.stderr.on('data', (data) => (log += String(data)));
  }, 60_000);
  afterAll(async () => {
    await started?.stop();
    await webhook?.close();
    await admin?.query('drop table app_public.tasks cascade');
    await admin?.query(`drop tablespace if exists ${space}`);
    await admin?.end();
    await made?.drop();
    spawnSync('umount', [folder]);
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  test(
    'answers 503 in fixed words, is an error in the log, and one alert',
    { timeout: 120_000 },
    async () => {
      const { stdout } = await lightning(['token', '--role', 'admin'], { JWT_SECRET: strongSecret });
      const token = stdout.trim();
      const answers = [];
      for (let n = 0; n < 30; n += 1) {
        answers.push(await post(started, '/rest/v1/tasks', token, { description: large() }));
      }
      const refused = answers.filter(({ status }) => status !== 201);
      expect(refused.length).toBeGreaterThan(5);
      for (const { status, retryAfter, text } of refused) {
        expect([status, retryAfter]).toEqual([503, '1']);
        expect(JSON.parse(text)).toEqual({
          code: '53100',
          message: 'The database has no room left to store this',
          details: null,
          hint: null,
        });
      }
      const graphql = await post(started, '/graphql', token, {
        query: createTask,
        variables: { d: large() },
      });
      // A field of GraphQL that may be null answers 200, with the error beside it.
      expect(graphql.text).toContain('DATABASE_UNAVAILABLE');
      expect(graphql.text).not.toMatch(/extend|pg_tblspc|No space/);

      // The server's words are for the operator.
      const troubles = log.split('\n').filter((line) => line.includes('"server-trouble"'));
      expect(troubles).toHaveLength(1);
      expect(JSON.parse(troubles[0]!)).toMatchObject({ level: 'error', code: '53100' });
      expect(troubles[0]).toMatch(/could not extend file .*No space left on device.*free room/);
      await expect.poll(() => log, { timeout: 20_000 }).toContain('"alert-raised"');
      const alerts = await lightning(['alerts'], {
        WORKER_DATABASE_URL: made.urls.worker,
        DB_ROLE_PREFIX: testRolePrefix,
      });
      expect(alerts.stdout).toMatch(/^error\tserver_troubles\t.*\topen\tthe database reports 53100: /m);
      await expect.poll(() => webhook.received.length, { timeout: 20_000 }).toBeGreaterThan(0);
      await post(started, '/rest/v1/tasks', token, { description: large() });
      await new Promise((resolve) => setTimeout(resolve, 12_000));
      expect(log.match(/"alert-raised".*server_troubles|server_troubles.*"alert-raised"/g)).toHaveLength(1);
    },
  );
});

describe.skipIf(!canMount)('an embedded database whose disk is full', () => {
  let folder: string;
  let started: Started | undefined;
  afterAll(async () => {
    await started?.stop();
    spawnSync('umount', [folder]);
    await rm(folder, { recursive: true, force: true });
  });

  test(
    'answers in the same words, says it in the log, and goes on once there is room',
    { timeout: 120_000 },
    async () => {
      folder = await mkdtemp(join(tmpdir(), 'lightning-full-'));
      mount(folder, '200m');
      const template = await migratedDataDirectory();
      const dataDirectory = join(folder, 'data');
      copyDataDirectory(template, dataDirectory);
      await rm(template, { recursive: true, force: true });
      const env = {
        DATA_DIR: dataDirectory,
        BACKUP_STORE: join(folder, 'store'),
        DB_ROLE_PREFIX: testRolePrefix,
      };
      started = await startLightning(env);
      let log = '';
      started.process.stderr.on('data', (data) => (log += String(data)));
      const { token } = started;
      const { bavail, bsize } = await statfs(folder);
      const ballast = join(folder, 'ballast');
      await writeFile(ballast, Buffer.alloc(bavail * bsize - 200_000));
      for (let n = 0; n < 5; n += 1) {
        const { status, text } = await post(started, '/rest/v1/tasks', token, { description: large() });
        expect([status, JSON.parse(text)]).toEqual([
          503,
          {
            code: '53100',
            message: 'The database has no room left to store this',
            details: null,
            hint: null,
          },
        ]);
      }
      expect(log.match(/"server-trouble"/g)).toHaveLength(1);
      // The database has no room for the alert either.
      await expect.poll(() => log, { timeout: 30_000 }).toMatch(/"alert-raised".*server_troubles/);
      // A backup into the same full disk says which disk it is.
      const backup = await lightning(['backup'], env);
      expect(backup.stderr).toMatch(/no room|No space left|is full/);
      expect(backup.status).toBe(1);
      await rm(ballast);
      const { status } = await post(started, '/rest/v1/tasks', token, { description: large() });
      expect(status).toBe(201);
    },
  );
});

test.skipIf(!canMount)('a backup store whose disk is full is named', { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lightning-full-'));
  const dataDirectory = await migratedDataDirectory();
  try {
    mount(folder, '1m');
    const { status, stderr } = await lightning(['backup'], {
      DATA_DIR: dataDirectory,
      BACKUP_STORE: join(folder, 'store'),
      DB_ROLE_PREFIX: testRolePrefix,
    });
    expect(stderr).toMatch(/^lightning: the backup store \S+ is full: make room there[^\n]*$/m);
    expect(status).toBe(1);
  } finally {
    spawnSync('umount', [folder]);
    for (const made of [folder, dataDirectory]) await rm(made, { recursive: true, force: true });
  }
});

test.skipIf(!canMount)('a log whose disk is full does not end a server', { timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lightning-full-'));
  const dataDirectory = await migratedDataDirectory();
  mount(folder, '1m');
  const log = openSync(join(folder, 'log'), 'a');
  const bin = fileURLToPath(new URL('../../bin/lightning', import.meta.url));
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [bin, 'start'], {
    env: {
      PATH,
      HOME,
      NODE_COMPILE_CACHE: compileCache,
      DATA_DIR: dataDirectory,
      BACKUP_STORE: join(dataDirectory, 'store'),
      DB_ROLE_PREFIX: testRolePrefix,
      PORT: '0',
      REST_LOG_STATEMENTS: 'true',
    },
    stdio: ['ignore', 'pipe', log],
  });
  let printed = '';
  child.stdout!.on('data', (data) => (printed += String(data)));
  const ended = once(child, 'close');
  try {
    await expect.poll(() => printed, { timeout: 30_000 }).toMatch(/^GraphiQL/m);
    const { bavail, bsize } = await statfs(folder);
    await writeFile(join(folder, 'ballast'), Buffer.alloc(bavail * bsize));
    const url = /^REST +(\S+)$/m.exec(printed)?.[1] ?? '';
    const token = (await readFile(join(dataDirectory, 'first-token'), 'utf8')).trim();
    for (let n = 0; n < 30; n += 1) {
      const response = await fetch(`${url}/agents?select=id`, {
        headers: { authorization: `Bearer ${token}` },
      });
      expect(response.status).toBe(200);
    }
  } finally {
    child.kill('SIGTERM');
    expect((await ended)[0]).toBe(0);
    closeSync(log);
    spawnSync('umount', [folder]);
    for (const made of [folder, dataDirectory]) await rm(made, { recursive: true, force: true });
  }
});

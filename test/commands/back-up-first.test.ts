import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serverUser, temporaryDirectory } from '../../src/programs/server-user.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { lightning } from '../support/lightning.ts';
import type { Finished } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { startOwnServer } from '../support/postgres/own-server.ts';
import { noServer, readyServer } from '../support/server.ts';
import { lines } from '../table-import/table-files.ts';

/** A database, and the variables with which it has backups and with which it has none. */
interface Target {
  readonly env: Record<string, string>;
  readonly withoutBackups: Record<string, string>;
  readonly close: () => Promise<void>;
}

async function onServer(): Promise<Target> {
  const { binDirectory = '' } = readyServer();
  const folder = await mkdtemp(path.join(await temporaryDirectory(await serverUser(), false), 'lt-first-'));
  await chmod(folder, 0o711);
  const own = await startOwnServer(binDirectory);
  const withoutBackups = {
    DATABASE_URL: own.urls.api,
    MIGRATE_DATABASE_URL: own.urls.migrate,
    DB_ROLE_PREFIX: testRolePrefix,
  };
  return {
    withoutBackups,
    env: {
      ...withoutBackups,
      WORKER_DATABASE_URL: own.urls.worker,
      BACKUP_DATABASE_URL: own.urls.backup,
      BACKUP_STORE: path.join(folder, 'store'),
      BACKUP_SPOOL_DIR: path.join(folder, 'spool'),
      BACKUP_BIN_DIR: binDirectory,
    },
    close: async () => {
      await own.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function onEmbedded(): Promise<Target> {
  const directory = await migratedDataDirectory();
  const folder = await mkdtemp(path.join(tmpdir(), 'lt-first-'));
  const env = {
    DATA_DIR: directory,
    DB_ROLE_PREFIX: testRolePrefix,
    BACKUP_STORE: path.join(folder, 'store'),
  };
  return {
    env,
    withoutBackups: env,
    close: async () => {
      for (const made of [directory, folder]) await rm(made, { recursive: true, force: true });
    },
  };
}

for (const [on, make, skip] of [
  ['a server', onServer, noServer || readyServerHasNoPrograms()],
  ['an embedded database', onEmbedded, false],
] as const) {
  // Without a server, or its programs, the run says so at its start and its end.
  describe.skipIf(skip)(`a backup before an import into ${on}`, () => {
    let target: Target;
    let scratch: string;
    beforeAll(async () => {
      target = await make();
      scratch = await mkdtemp(path.join(tmpdir(), 'lt-first-files-'));
    }, 120_000);
    afterAll(async () => {
      await target?.close();
      await rm(scratch, { recursive: true, force: true });
    }, 60_000);

    const agents = async (name: string): Promise<string> => {
      const file = path.join(scratch, `agents.${name}`);
      await writeFile(file, lines({ id: name, name, model: 'm' }));
      return file;
    };
    const run = (args: readonly string[], env = target.env): Promise<Finished> =>
      lightning(['import', ...args, '--quarantine', path.join(scratch, 'quarantine')], env);
    const backups = async (): Promise<number> => {
      const { stdout } = await lightning(['backups', '--json'], target.env);
      return stdout === '' ? 0 : (JSON.parse(stdout) as { backups: unknown[] }).backups.length;
    };

    it('is not taken of a database without rows, which has nothing to lose', async () => {
      expect(await run([await agents('first')], target.withoutBackups)).toMatchObject({
        status: 0,
        stdout: expect.not.stringContaining('before the import'),
      });
    }, 60_000);

    it('is taken before the first row is written, and a file that is refused costs none', async () => {
      await mkdir(path.join(scratch, 'bad'));
      await writeFile(path.join(scratch, 'bad/agents.jsonl'), '{"unknown": 1}\n');
      expect(await run([path.join(scratch, 'bad')])).toMatchObject({ status: 2 });
      const before = await backups();
      expect(await run([await agents('second')])).toMatchObject({
        status: 0,
        stdout: expect.stringMatching(/^before the import: .*\n.*stored 1/s),
      });
      expect(await backups()).toBe(before + 1);
    }, 120_000);

    it('is taken before a folder of the legacy system as well', async () => {
      const folder = path.join(scratch, 'legacy');
      await mkdir(path.join(folder, '.agent-configs'), { recursive: true });
      await writeFile(path.join(folder, '.agent-configs/l.json'), JSON.stringify({ name: 'l', model: 'm' }));
      expect(await run([folder])).toMatchObject({
        status: 0,
        stdout: expect.stringMatching(/^before the import: .*\nagents: 1 file; 1 rows are new/s),
      });
    }, 120_000);

    it('is left out on demand', async () => {
      expect(await run([await agents('third'), '--without-backup'], target.withoutBackups)).toMatchObject({
        status: 0,
        stdout: expect.not.stringContaining('before the import'),
      });
    }, 60_000);
  });
}

describe.skipIf(noServer || readyServerHasNoPrograms())('a server without backups', () => {
  let target: Target;
  beforeAll(async () => {
    target = await onServer();
  }, 120_000);
  afterAll(() => target?.close(), 60_000);

  it('refuses an import until it is told to do without, and nothing is changed', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'lt-first-refused-'));
    const file = path.join(folder, 'agents.jsonl');
    const quarantine = ['--quarantine', path.join(folder, 'quarantine')];
    await writeFile(file, lines({ id: 'a', name: 'A', model: 'm' }));
    expect(await lightning(['import', file, ...quarantine], target.withoutBackups)).toMatchObject({
      status: 0,
    });
    await writeFile(file, lines({ id: 'b', name: 'B', model: 'm' }));
    for (const [env, why] of [
      [target.withoutBackups, 'BACKUP_DATABASE_URL is missing'],
      [{ ...target.env, BACKUP_STORE: '' }, 'BACKUP_STORE is missing'],
    ] as const) {
      const { status, stderr } = await lightning(['import', file, ...quarantine], env);
      expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining(why) });
      expect(stderr).toContain('or import without one: --without-backup');
    }
    expect(await lightning(['import', file, ...quarantine, '--without-backup'], target.env)).toMatchObject({
      stdout: expect.stringContaining('read 1 = stored 1 + already there 0'),
    });
    await rm(folder, { recursive: true, force: true });
  }, 60_000);
});

function readyServerHasNoPrograms(): boolean {
  return !noServer && readyServer().binDirectory === undefined;
}

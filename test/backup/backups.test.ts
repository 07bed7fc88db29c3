import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { BackupDamaged } from '../../src/backup/backup-damaged.ts';
import type { Backups, WalReceiving } from '../../src/backup/backups.ts';
import { openBackups } from '../../src/backup/open-backups.ts';
import { parseTarget } from '../../src/backup/restore-target.ts';
import { RestoreRefused } from '../../src/backup/restore-refused.ts';
import type { ReceiverStatus } from '../../src/backup/server/wal/receive-wal.ts';
import { parseConfig } from '../../src/config/parse-config.ts';
import { clientExecutor } from '../../src/db/client-executor.ts';
import { startEmbedded } from '../../src/embedded/embedded.ts';
import { runCommand } from '../../src/programs/command.ts';
import { serverUser, temporaryDirectory } from '../../src/programs/server-user.ts';
import { repeat } from '../../src/repeat.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { testRolePrefix } from '../support/logins.ts';
import { startOwnServer, startRestored } from '../support/postgres/own-server.ts';
import { readyServer } from '../support/server.ts';
import { strongSecret } from '../support/token-keys.ts';

/** A running database of one kind. */
interface Subject {
  readonly env: Readonly<Record<string, string>>;
  /** The connection string of a superuser. */
  readonly url: string;
  /** A directory for everything that the test makes; the user of a restored server can enter it. */
  readonly folder: string;
  /** Runs `work` with a client of the database that was restored into a directory. */
  withRestored(into: string, work: (client: Client) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

async function embeddedSubject(): Promise<Subject> {
  const dataDirectory = await migratedDataDirectory();
  const folder = await mkdtemp(join(tmpdir(), 'lightning-backups-'));
  const embedded = await startEmbedded({ dataDirectory });
  return {
    env: { DATA_DIR: dataDirectory },
    url: embedded.connectionString,
    folder,
    withRestored: async (into, work) => {
      const restored = await startEmbedded({ dataDirectory: into });
      try {
        await withClient(restored.connectionString, work);
      } finally {
        await restored.close();
      }
    },
    close: async () => {
      await embedded.close();
      for (const made of [dataDirectory, folder]) await rm(made, { recursive: true, force: true });
    },
  };
}

async function serverSubject(): Promise<Subject> {
  const user = await serverUser();
  const binDirectory = readyServer().binDirectory!;
  const folder = await mkdtemp(join(await temporaryDirectory(user, false), 'lightning-backups-'));
  await chmod(folder, 0o711);
  const own = await startOwnServer(binDirectory);
  // As on a server with other writers: the WAL that a drill waits for is in the store at once, rather than with the
  // next partial segment.
  const admin = new Client({ connectionString: own.adminUrl });
  await admin.connect();
  const switching = repeat(
    async () => void (await admin.query('select pg_switch_wal()')),
    300,
    () => {},
  );
  return {
    env: {
      DATABASE_URL: own.urls.api,
      BACKUP_DATABASE_URL: own.urls.backup,
      JWT_SECRET: strongSecret,
      BACKUP_SPOOL_DIR: join(folder, 'spool'),
      BACKUP_BIN_DIR: binDirectory,
    },
    url: own.adminUrl,
    folder,
    withRestored: async (into, work) => {
      if (user) await runCommand('chown', ['-R', `${user.uid}:${user.gid}`, into]);
      const restored = await startRestored(binDirectory, into);
      try {
        await withClient(restored.at(own.adminUrl), work);
      } finally {
        await restored.stop();
      }
    },
    close: async () => {
      await switching.stop();
      await admin.end();
      await own.stop();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const provided = inject('server');
const kinds: readonly (readonly [string, () => Promise<Subject>])[] = [
  ['an embedded database', embeddedSubject],
  ...(provided.kind === 'unavailable' || !provided.binDirectory
    ? []
    : [['a server', serverSubject] as const]),
];

/** A restore and a start of the restored database: seconds, and many of them on a busy machine. */
const patience = 120_000;
const never = new AbortController().signal;
const inAYear = () => new Date(Date.now() + 366 * 86_400_000);

// The contract of backups.ts. One database of each kind, because making one takes long: the tests are the chapters of
// its life, in order.
describe.each(kinds)('backups of %s', { timeout: patience }, (_, open) => {
  let subject: Subject;
  let backups: Backups;
  let receiving: ReturnType<WalReceiving['start']> | undefined;
  const statuses: ReceiverStatus[] = [];
  let first: string;

  const store = () => join(subject.folder, 'store');
  const objectsOf = async (id: string): Promise<readonly string[]> =>
    (await readdir(join(store(), 'backups', id))).map((name) => `backups/${id}/${name}`).toSorted();
  const restore = (into: string, to = 'latest', from: string | null = null) =>
    backups.restore({ target: parseTarget(to)!, from, into, durable: false, signal: never });
  const query = (text: string) => withClient(subject.url, (client) => client.query(text));

  beforeAll(async () => {
    subject = await open();
    const variables = {
      DB_ROLE_PREFIX: testRolePrefix,
      BACKUP_STORE: store(),
      BACKUP_RETENTION_DAYS: '14',
      BACKUP_DRILL_DIR: join(subject.folder, 'drills'),
      ...subject.env,
    };
    await mkdir(variables.BACKUP_DRILL_DIR);
    await chmod(variables.BACKUP_DRILL_DIR, 0o711);
    const opened = openBackups(
      parseConfig(variables),
      () => {},
      () => new Date(),
    );
    backups = opened.backups!;
    receiving = backups.receiving?.start({
      log: () => {},
      now: () => new Date(),
      onStatus: async (status) => void statuses.push(status),
    });
  }, patience);
  afterAll(async () => {
    await receiving?.stop();
    await subject?.close();
  }, patience);

  test('an empty store has nothing to list, to verify, to restore or to be removed, and proves nothing', async () => {
    expect(await backups.list()).toEqual({ store: store(), backups: [], damaged: [] });
    expect(await backups.reach()).toBe(null);
    expect(await backups.verify({ signal: never })).toMatchObject({ backups: 0, objects: 0, problems: [] });
    expect(await backups.removeExpired(inAYear())).toEqual({ backups: [], summary: null });
    const into = join(subject.folder, 'nothing');
    await expect(restore(into)).rejects.toThrow(RestoreRefused);
    expect(await readdir(subject.folder)).not.toContain('nothing');
    expect((await backups.drill({ signal: never })).problems).not.toEqual([]);
  });

  test('a backup that was taken is listed, whole, recorded and in the status', async () => {
    await query(`insert into app_public.tenants (id, name) values ('kept', 'Kept')`);
    const taken = await backups.take('auto', { signal: never });
    first = taken.id;
    expect(taken.summary).toMatch(new RegExp(`^${first}, [\\d.]+ MB stored`));
    const { backups: listed, damaged } = await backups.list();
    expect(damaged).toEqual([]);
    expect(listed.map(({ id, parent }) => ({ id, parent }))).toEqual([{ id: first, parent: '' }]);
    expect(listed[0]!.storedBytes).toBeGreaterThan(1_000_000);
    expect(Math.abs(Date.parse(listed[0]!.endedAt) - Date.now())).toBeLessThan(60_000);
    expect((await backups.reach())?.text.startsWith('restore --to reaches from')).toBe(
      backups.buildsOnEarlier ? true : undefined,
    );
    const verified = await backups.verify({ signal: never });
    expect(verified).toMatchObject({ store: store(), backups: 1, problems: [] });
    expect(verified.objects).toBeGreaterThanOrEqual((await objectsOf(first)).length - 1);
    const record = () => withClient(subject.url, (client) => backups.record(clientExecutor(client)));
    expect(await record()).toBe(null);
    expect((await query('select id from ops.backups')).rows).toEqual([{ id: first }]);
    await query(`update ops.backups set manifest_sha256 = repeat('0', 64)`);
    expect(await record()).toMatch(new RegExp(`^${first} in .*: somebody changed it$`));
    const lines = await backups.statusLines();
    expect(lines).toContainEqual({ name: 'backup store', ok: true, found: `${store()}, 1 backups` });
    expect(lines.filter(({ ok, mend }) => ok !== (mend === undefined))).toEqual([]);
  });

  test('work that is aborted leaves no backup and no copy', async () => {
    const stopped = AbortSignal.abort(new Error('stopped'));
    await expect(backups.take('full', { signal: stopped })).rejects.toThrow(/stopped|aborted/);
    await expect(backups.verify({ signal: stopped })).rejects.toThrow('stopped');
    const into = join(subject.folder, 'stopped');
    const target = parseTarget('latest')!;
    await expect(backups.restore({ target, from: null, into, signal: stopped })).rejects.toThrow('stopped');
    expect(await readdir(subject.folder)).not.toContain('stopped');
    expect((await backups.list()).backups.map(({ id }) => id)).toEqual([first]);
  });

  test('a drill compares rows, notices each deliberate fault, and leaves nothing behind', async () => {
    const notes: string[] = [];
    const {
      problems,
      selfTests,
      comparedRows,
      restoreMs,
      backups: restored,
    } = await backups.drill({
      onProgress: (_fraction, note) => notes.push(note),
      signal: never,
    });
    expect(problems).toEqual([]);
    expect(selfTests.length).toBeGreaterThanOrEqual(2);
    expect(selfTests.filter(({ noticed }) => noticed === null)).toEqual([]);
    expect(comparedRows).toBeGreaterThan(0);
    expect(restoreMs).toBeGreaterThan(0);
    expect(restored).toEqual([first]);
    expect(notes).toContain('testing the drill itself');
    expect(await readdir(join(subject.folder, 'drills'))).toEqual([]);
  });

  test('it is restored only into an empty directory, and only to a moment that it has', async () => {
    const into = join(subject.folder, 'restored', 'data');
    await mkdir(into, { recursive: true });
    expect(await restore(into)).toMatch(new RegExp(`^restored ${first} .*${into}`));
    const before = (await readdir(into)).toSorted();
    await expect(restore(into)).rejects.toThrow(RestoreRefused);
    expect((await readdir(into)).toSorted()).toEqual(before);
    await subject.withRestored(into, async (client) => {
      const { rows } = await client.query(`select name from app_public.tenants where id = 'kept'`);
      expect(rows).toEqual([{ name: 'Kept' }]);
    });
    const other = join(subject.folder, 'other');
    await expect(restore(other, '2020-01-01T00:00:00Z')).rejects.toThrow(`the oldest, ${first}, ended at`);
    await expect(restore(other, 'latest', 'no-such-backup')).rejects.toThrow(RestoreRefused);
    expect(await readdir(subject.folder)).not.toContain('other');
  });

  test('a verification, a drill and a restore name a damaged object, and the restore writes nothing', async () => {
    const key = (await objectsOf(first)).find((object) => !object.includes('/manifest-')) ?? '';
    const file = join(store(), key);
    const content = await readFile(file);
    await writeFile(file, content.with(content.length >> 1, (content[content.length >> 1] ?? 0) ^ 1));
    const { problems } = await backups.verify({ signal: never });
    expect(problems.map(({ what }) => what).join()).toContain(key);
    expect((await backups.drill({ signal: never })).problems.join()).toContain(key);
    await expect(restore(join(subject.folder, 'damaged'))).rejects.toThrow(key);
    expect(await readdir(subject.folder)).not.toContain('damaged');
    await writeFile(file, content);
    expect((await backups.verify({ signal: never })).problems).toEqual([]);
  });

  test('a manifest that was edited is named, and nothing is removed or recorded by what it says', async () => {
    const key = (await objectsOf(first)).find((object) => object.includes('/manifest-')) ?? '';
    const file = join(store(), key);
    const content = await readFile(file);
    await writeFile(file, Buffer.concat([content, Buffer.from(' ')]));
    const { backups: listed, damaged } = await backups.list();
    expect(listed).toEqual([]);
    expect(damaged).toEqual([expect.stringContaining(key)]);
    expect((await backups.verify({ signal: never })).problems).toContainEqual(
      expect.objectContaining({ member: key }),
    );
    await expect(backups.removeExpired(inAYear())).rejects.toThrow(BackupDamaged);
    await expect(withClient(subject.url, (client) => backups.record(clientExecutor(client)))).rejects.toThrow(
      BackupDamaged,
    );
    await writeFile(file, content);
  });

  test('backups that no moment of the window needs are removed with their objects, but never the newest', async () => {
    // A second backup that does not need the first.
    const second = await backups.take(backups.buildsOnEarlier ? 'full' : 'auto', { signal: never });
    expect(await backups.removeExpired(new Date())).toMatchObject({ backups: [] });
    const removal = await backups.removeExpired(inAYear());
    expect(removal.backups).toEqual([first]);
    expect(removal.summary).toMatch(
      /^removed 1 expired backups(?:,| and) [1-9]\d* (?:files of WAL|objects that none needs)/,
    );
    expect(await objectsOf(first)).toEqual([]);
    expect((await backups.list()).backups.map(({ id }) => id)).toEqual([second.id]);
    expect(await backups.removeExpired(inAYear())).toEqual({ backups: [], summary: null });
    expect(await backups.verify({ signal: never })).toMatchObject({ backups: 1, problems: [] });
  });

  test('the receiver that has to run all the time reports its state', async () => {
    const received = backups.buildsOnEarlier;
    expect(backups.receiving?.slot).toBe(received ? `${testRolePrefix}_backup` : undefined);
    const isReceiving = () => statuses.at(-1)?.receiving;
    await expect.poll(isReceiving, { timeout: 30_000 }).toBe(received ? true : undefined);
  });
});

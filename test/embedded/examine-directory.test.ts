import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  appendFile,
  cp,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbedded } from '../../src/embedded/embedded.ts';
import { copyDataDirectory, migratedDataDirectory } from '../support/embedded-template.ts';
import { lightning } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';

/** A digest of every file below a directory, by its path. */
async function digests(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of (await readdir(directory, { recursive: true, withFileTypes: true })).toSorted()) {
    const file = join(entry.parentPath, entry.name);
    if (entry.isFile()) found[file] = createHash('sha256').update(readFileSync(file)).digest('hex');
  }
  return found;
}

async function garble(file: string, from = 0): Promise<void> {
  const { size } = await stat(file);
  const handle = await open(file, 'r+');
  try {
    await handle.write(Buffer.alloc(size - from, 0xa5), 0, size - from, from);
  } finally {
    await handle.close();
  }
}

async function garbleAll(folder: string, which: (name: string) => boolean): Promise<void> {
  for (const name of await readdir(folder)) if (which(name)) await garble(join(folder, name));
}

describe('a DATA_DIR that cannot be opened', () => {
  let whole: string;
  let folder: string;
  beforeAll(async () => {
    whole = await migratedDataDirectory();
    folder = await mkdtemp(join(tmpdir(), 'lightning-damaged-'));
  });
  afterAll(async () => {
    for (const made of [whole, folder]) await rm(made, { recursive: true, force: true });
  });

  const damages: readonly (readonly [
    what: string,
    damage: (at: string) => Promise<unknown>,
    found: RegExp,
  ])[] = [
    ['without PG_VERSION', (at) => rm(join(at, 'PG_VERSION')), /PG_VERSION is missing/],
    [
      'with an empty PG_VERSION',
      (at) => truncate(join(at, 'PG_VERSION')),
      /PG_VERSION does not hold a version/,
    ],
    [
      'with a garbled PG_VERSION',
      (at) => garble(join(at, 'PG_VERSION')),
      /PG_VERSION does not hold a version/,
    ],
    ['without pg_control', (at) => rm(join(at, 'global/pg_control')), /pg_control is missing/],
    [
      'with a truncated pg_control',
      (at) => truncate(join(at, 'global/pg_control'), 100),
      /pg_control has 100 bytes in place of 8192/,
    ],
    [
      'with an empty pg_control',
      (at) => truncate(join(at, 'global/pg_control')),
      /pg_control has 0 bytes in place of 8192/,
    ],
    [
      'with a garbled pg_control',
      (at) => garble(join(at, 'global/pg_control')),
      /it does not start \(.*(?:pg_control|control file|incompatible)/,
    ],
    [
      'without WAL',
      (at) => rm(join(at, 'pg_wal'), { recursive: true }),
      /the folder postgres\/pg_wal is missing/,
    ],
    [
      'with an empty folder of WAL',
      async (at) => {
        await rm(join(at, 'pg_wal'), { recursive: true });
        await mkdir(join(at, 'pg_wal'));
      },
      /pg_wal holds no write-ahead log/,
    ],
    [
      'with garbled WAL',
      (at) => garbleAll(join(at, 'pg_wal'), (name) => /^[0-9A-F]{24}$/.test(name)),
      /it does not start \(/,
    ],
    [
      'without base',
      (at) => rm(join(at, 'base'), { recursive: true }),
      /the folder postgres\/base is missing/,
    ],
    [
      'with an empty folder of base',
      async (at) => {
        await rm(join(at, 'base'), { recursive: true });
        await mkdir(join(at, 'base'));
      },
      /it does not start \(/,
    ],
    [
      'with garbled tables of the whole server',
      (at) => garbleAll(join(at, 'global'), (name) => /^\d+$/.test(name)),
      /it does not start \(/,
    ],
    [
      'with garbled base files',
      (at) => garbleAll(join(at, 'base/5'), (name) => /^\d+$/.test(name)),
      /it does not start \(/,
    ],
    [
      'with empty base files',
      async (at) => {
        for (const name of await readdir(join(at, 'base/5')))
          if (/^\d+$/.test(name)) await truncate(join(at, 'base/5', name));
      },
      /it does not start \(/,
    ],
    [
      'without the file of the map of tables',
      (at) => rm(join(at, 'base/5/pg_filenode.map')),
      /it does not start \(/,
    ],
  ];

  // Every command opens the database by one way, so each damage is met by one of them in turn.
  const met = damages.map((each, n) => [...each, ['start', 'status', 'backup'][n % 3]!] as const);
  test.each(met)(
    '%s says so, and what to do',
    async (_, damage, found, command) => {
      const data = join(folder, 'data');
      await rm(data, { recursive: true, force: true });
      copyDataDirectory(whole, data);
      await damage(join(data, 'postgres'));
      const before = await digests(join(data, 'postgres'));
      const env = { DATA_DIR: data, DB_ROLE_PREFIX: testRolePrefix, PORT: '0' };
      const { status, stdout, stderr } = await lightning([command], env);
      const said = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
      expect(said, stderr).toHaveLength(1);
      expect(said[0]).toMatch(found);
      expect(said[0]).toMatch(/^lightning: the embedded database in \S+ is damaged: /);
      expect(said[0]).toContain(`lightning restore --to latest --into ${data}-restored`);
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
      // Once Postgres was started it has noted that in files of its own; the tables are as they were.
      const isTable = ([file]: [string, string]) => /\/(base|global)\/(.*\/)?\d+[^/]*$/.test(file);
      const kept = (all: Record<string, string>) =>
        String(found).includes('does not start')
          ? Object.fromEntries(Object.entries(all).filter(isTable))
          : all;
      expect(Object.keys(kept(before)).length).toBeGreaterThan(30);
      expect(kept(await digests(join(data, 'postgres')))).toEqual(kept(before));
    },
    120_000,
  );

  test('of another version says so', async () => {
    const data = join(folder, 'other');
    copyDataDirectory(whole, data);
    await writeFile(join(data, 'postgres/PG_VERSION'), '17\n');
    const { status, stderr } = await lightning(['start'], { DATA_DIR: data });
    expect(stderr).toMatch(
      /^lightning: the database in \S+ was written by Postgres 17, and this is Postgres 18: export it/m,
    );
    expect(status).toBe(1);
  }, 30_000);

  test.each<[string, (at: string) => Promise<unknown>, RegExp]>([
    [
      'files of something else',
      (at) => writeFile(join(at, 'letters.txt'), 'Dear'),
      /is not the directory of an embedded database \(it holds letters.txt\)/,
    ],
    [
      'the data directory of a server',
      (at) => cp(join(at, 'whole'), at, { recursive: true }),
      /is the data directory of a Postgres server/,
    ],
  ])(
    'that holds %s is left alone',
    async (_, fill, said) => {
      const data = join(folder, 'foreign');
      await rm(data, { recursive: true, force: true });
      await mkdir(data, { mode: 0o755 });
      copyDataDirectory(join(whole, 'postgres'), join(data, 'whole'));
      await fill(data);
      const before = await digests(data);
      for (const command of ['start', 'status', 'migrate']) {
        const { status, stderr } = await lightning([command], {
          DATA_DIR: data,
          PORT: '0',
          BACKUP_STORE: join(folder, 'store'),
        });
        expect(stderr).toMatch(said);
        expect(status).toBe(1);
      }
      expect(await digests(data)).toEqual(before);
      expect((await stat(data)).mode & 0o777).toBe(0o755);
    },
    60_000,
  );

  test('that is a file says so', async () => {
    const file = join(folder, 'file');
    await appendFile(file, 'x');
    const { status, stderr } = await lightning(['start'], {
      DATA_DIR: file,
      BACKUP_STORE: join(folder, 'store'),
    });
    expect(stderr).toMatch(/^lightning: \S+file is not a directory: set DATA_DIR to one$/m);
    expect(status).toBe(1);
  });
});

test('a garbled table is named when it is read, with what to do', { timeout: 60_000 }, async () => {
  const data = await migratedDataDirectory();
  try {
    const env = { DATA_DIR: data, DB_ROLE_PREFIX: testRolePrefix };
    const embedded = await startEmbedded({ dataDirectory: data });
    const client = new Client({ connectionString: embedded.connectionString });
    await client.connect();
    await client.query('checkpoint');
    const { rows } = await client.query<{ file: string }>(
      "select pg_relation_filepath('app_public.tenants') as file",
    );
    await client.end();
    await embedded.close();
    await garble(join(data, 'postgres', rows[0]!.file));
    const { status, stderr } = await lightning(['tenant', 'list'], env);
    expect(stderr).toMatch(/^lightning: invalid page in block 0 of relation /m);
    expect(stderr).toMatch(
      /^ {2}the server's log has more. If its files are damaged, restore a backup: .*lightning restore/m,
    );
    expect(status).toBe(1);
  } finally {
    await rm(data, { recursive: true, force: true });
  }
});

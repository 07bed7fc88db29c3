import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { drillSnapshot } from '../../../src/backup/embedded/drill.ts';
import { collectGarbage } from '../../../src/backup/embedded/garbage.ts';
import { markCollection, markSnapshot } from '../../../src/backup/embedded/marks.ts';
import { objectsOf, restoreSnapshot, verifySnapshot } from '../../../src/backup/embedded/restore.ts';
import { takeSnapshot } from '../../../src/backup/embedded/snapshot.ts';
import { listManifests, readManifest, readManifests, removeBackup } from '../../../src/backup/manifest.ts';
import type { ReadManifest } from '../../../src/backup/manifest.ts';
import { DirectoryStore } from '../../../src/backup/store/directory-store.ts';
import { makeVault } from '../../../src/backup/vault.ts';
import type { Vault } from '../../../src/backup/vault.ts';
import { startEmbedded } from '../../../src/embedded/embedded.ts';
import type { Embedded } from '../../../src/embedded/embedded.ts';
import { emptyDataDirectory } from '../../support/embedded-template.ts';
import { startWriting } from './write-in-pairs.ts';

// Thousands of files are synced one by one, which takes long on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

// One database with 6 MB of rows for all tests, and a store for each test that needs its own.
let home: string;
let dataDirectory: string;
let embedded: Embedded;
let client: Client;
let first: { readonly root: string; readonly taken: ReadManifest };

beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'snapshot-'));
  dataDirectory = await emptyDataDirectory();
  embedded = await startEmbedded({ dataDirectory });
  client = new Client({ connectionString: embedded.connectionString });
  await client.connect();
  await client.query(`
    create table archive as select g as id, repeat(md5(g::text), 20) as content from generate_series(1, 8000) g;
    create table one (n integer primary key, content text not null);
    create table two (n integer primary key, content text not null);
    checkpoint`);
  // Files written a moment ago are copied while writers wait; in these tests most files should have rested.
  await sleep(2_100);
  const vault = newVault();
  first = { root: vault.root, taken: await snapshot(vault) };
});
afterAll(async () => {
  await client.end();
  await embedded.close();
  for (const directory of [home, dataDirectory]) await rm(directory, { recursive: true, force: true });
});

type TestVault = Vault & { readonly root: string };

let stores = 0;
function newVault(key: Uint8Array | null = null): TestVault {
  const root = path.join(home, `store-${++stores}`);
  return { ...makeVault(new DirectoryStore(root), key), root };
}

/**
 * A store with a snapshot of the database in its first state: that is enough for most tests, and making one takes
 * long.
 */
async function vaultWithOne(): Promise<TestVault & { readonly taken: ReadManifest }> {
  const vault = newVault();
  await cp(first.root, vault.root, { recursive: true });
  return { ...vault, taken: first.taken };
}

const snapshot = (vault: Vault, more: { everything?: boolean; signal?: AbortSignal } = {}) =>
  takeSnapshot({
    dataDirectory,
    connectionString: embedded.connectionString,
    vault,
    now: () => new Date(),
    ...more,
  });

let restores = 0;
async function restored<T>(
  vault: Vault,
  taken: ReadManifest,
  work: (database: Client) => Promise<T>,
): Promise<T> {
  const into = path.join(home, `restored-${++restores}`);
  await restoreSnapshot({ vault, snapshot: taken, into, durable: false });
  const running = await startEmbedded({ dataDirectory: into });
  const reader = new Client({ connectionString: running.connectionString });
  await reader.connect();
  try {
    return await work(reader);
  } finally {
    await reader.end();
    await running.close();
    await rm(into, { recursive: true, force: true });
  }
}

describe('a snapshot of the embedded database', () => {
  it('is one moment of it, taken while writers go on, and the restored database is that moment', async () => {
    const vault = newVault(Buffer.alloc(32, 7));
    const writer = await startWriting(embedded.connectionString);
    await writer.until(300);
    const ackedBefore = writer.acked;
    const taken = await snapshot(vault);
    const ackedAfter = writer.acked;
    await sleep(100);
    await writer.stop();
    // The snapshot was taken in the middle of the writing.
    expect(ackedAfter).toBeGreaterThan(ackedBefore);
    expect(writer.acked).toBeGreaterThan(ackedAfter);

    const { tables, heldMs } = taken.manifest.embedded!;
    const noted = tables.find(({ table }) => table === '"public"."one"');
    await restored(vault, taken, async (database) => {
      const { rows } = await database.query<{ n: number; one: string; two: string }>(
        'select n, o.content as one, t.content as two from one o full join two t using (n) order by n',
      );
      // Whole transactions without a gap, each with both of its rows.
      const expected = rows.map((_, i) => {
        const content = createHash('md5')
          .update(String(i + 1))
          .digest('hex');
        return { n: i + 1, one: content, two: content };
      });
      expect(rows).toEqual(expected);
      expect(rows.length).toBeGreaterThanOrEqual(ackedBefore);
      expect(rows.length).toBeLessThanOrEqual(ackedAfter + 1);
      expect(noted?.rows).toBe(rows.length);
      const archive = await database.query('select count(*)::integer as n from archive');
      expect(archive.rows).toEqual([{ n: 8_000 }]);
    });
    expect(heldMs).toBeLessThan(10_000);
  });

  it('passes a drill, and a second snapshot of an unchanged database adds little', async () => {
    const vault = await vaultWithOne();
    await sleep(2_100);
    await snapshot(vault);
    const third = await snapshot(vault);
    expect(first.taken.manifest.embedded?.bytes).toBeGreaterThan(30_000_000);
    expect(third.manifest.embedded?.newBytes).toBeLessThan(300_000);
    const verdict = await drillSnapshot({ vault, snapshot: third });
    expect(verdict.problems).toEqual([]);
    expect(verdict.comparedTables).toBe(third.manifest.embedded?.tables.length);
    expect(verdict.selfTests).toEqual([
      {
        damage: expect.stringContaining('a row of'),
        noticed: expect.stringContaining('rows in the restored database'),
      },
      {
        damage: expect.stringContaining('a byte of chunks/'),
        noticed: expect.stringContaining('is damaged'),
      },
    ]);
    expect(verdict.comparedRows).toBeGreaterThanOrEqual(8_000);
    expect(verdict.restoreMs).toBeGreaterThan(0);
  });

  it('fails its drill when a recorded row is missing, when tables differ, and when nothing is compared', async () => {
    const { taken, ...vault } = await vaultWithOne();
    const { manifest } = taken;
    const state = manifest.embedded!;
    const drill = (tables: typeof state.tables) =>
      drillSnapshot({
        vault,
        snapshot: { ...taken, manifest: { ...manifest, embedded: { ...state, tables } } },
      });
    const changed = await drill(
      state.tables.map((noted) =>
        noted.table.includes('archive') ? { ...noted, rows: noted.rows + 1 } : noted,
      ),
    );
    expect(changed.problems).toEqual([
      '"public"."archive" has 8000 rows in the restored database, and 8001 in the original',
    ]);
    const nothing = await drill([]);
    expect(nothing.comparedRows).toBe(0);
    expect(nothing.problems).toContain('no row was compared');
  });

  it('digests a table again only when its rows or its columns have changed', async () => {
    const vault = await vaultWithOne();
    const noted = async () => {
      const { manifest } = await snapshot(vault);
      return manifest.embedded?.tables.find(({ table }) => table.includes('archive'))?.digest;
    };
    const before = await noted();
    await sleep(2_100);
    expect(await noted()).toBe(before);
    expect(await noted()).toBe(before);
    // This changes every row without writing one.
    await client.query('alter table archive add column kind text default md5(now()::text)');
    const withColumn = await noted();
    expect(withColumn).not.toBe(before);
    await client.query(`update archive set kind = 'x' where id = 1`);
    expect(await noted()).not.toBe(withColumn);
    await client.query('alter table archive drop column kind');
  });

  it('is refused when damaged, naming the fault, before anything is written into place', async () => {
    const { taken, ...vault } = await vaultWithOne();
    const objects = await objectsOf(vault, taken);
    const into = path.join(home, 'refused');
    const damage = async (key: string, how: (file: string, bytes: Buffer) => Promise<void>) => {
      const file = path.join(vault.root, key);
      const bytes = await readFile(file);
      await how(file, bytes);
      const restore = restoreSnapshot({ vault, snapshot: taken, into, durable: false });
      const error = await restore.catch((caught: unknown) => caught);
      const { problems } = await verifySnapshot({ vault, snapshot: taken });
      await writeFile(file, bytes);
      return { restore: String(error), verify: problems.join() };
    };
    const chunk = objects.at(-1)!;
    const index = objects.at(0)!;
    expect(index.key).toContain(taken.id);
    for (const { key } of [chunk, index]) {
      for (const how of [
        (file: string, bytes: Buffer) =>
          writeFile(file, bytes.with(bytes.length >> 1, (bytes[bytes.length >> 1] ?? 0) ^ 8)),
        (file: string, bytes: Buffer) => writeFile(file, bytes.subarray(0, -1)),
        (file: string) => rm(file),
        (file: string) => cp(path.join(vault.root, objects.at(-2)!.key), file),
      ]) {
        const { restore, verify } = await damage(key, how);
        expect(restore).toContain(key);
        expect(verify).toContain(key);
        expect(existsSync(into)).toBe(false);
      }
    }
    expect(await verifySnapshot({ vault, snapshot: taken })).toEqual({
      objects: objects.length,
      problems: [],
    });
    await mkdir(into);
    await writeFile(path.join(into, 'mine'), '');
    await expect(restoreSnapshot({ vault, snapshot: taken, into })).rejects.toThrow(
      'is not empty (it holds mine)',
    );
    expect(await readdir(into)).toEqual(['mine']);
  });

  it('can be taken anew, whole, when the store is damaged', async () => {
    const { taken, ...vault } = await vaultWithOne();
    const victim = (await objectsOf(vault, taken)).at(-1)!;
    const file = path.join(vault.root, victim.key);
    await writeFile(file, Buffer.alloc(victim.storedBytes));
    const reusing = await snapshot(vault);
    expect((await verifySnapshot({ vault, snapshot: reusing })).problems).toHaveLength(1);
    const anew = await snapshot(vault, { everything: true });
    expect((await verifySnapshot({ vault, snapshot: anew })).problems).toEqual([]);
  });

  it('is not listed when its process is killed in the middle, and the next one works', async () => {
    const vault = newVault();
    const child = fork(fileURLToPath(new URL('snapshot-until-killed.ts', import.meta.url)), [
      dataDirectory,
      vault.root,
    ]);
    // The kill comes in the middle: some chunks are there, and others are not.
    while ((await chunksIn(vault)) < 20) await sleep(5);
    child.kill('SIGKILL');
    await new Promise((resolve) => {
      child.once('exit', resolve);
    });
    const begun = await chunksIn(vault);
    expect(await listManifests(vault)).toEqual([]);
    const taken = await snapshot(vault);
    expect(await chunksIn(vault)).toBeGreaterThan(begun);
    expect(await readdir(path.join(dataDirectory, 'snapshot'))).toEqual(['lock.sqlite']);
    // The killed snapshot's remains become garbage once they are too old to belong to a running one.
    await expect(collectGarbage(vault, () => new Date())).rejects.toThrow('killed within the last day');
    const tomorrow = () => new Date(Date.now() + 25 * 3_600_000);
    expect((await collectGarbage(vault, tomorrow)).objects).toBeGreaterThan(0);
    expect((await verifySnapshot({ vault, snapshot: taken })).problems).toEqual([]);
    expect(await collectGarbage(vault, tomorrow)).toEqual({ objects: 0, bytes: 0 });
  });

  it('is taken by one process at a time, and the refusal names that process', async () => {
    const vault = await vaultWithOne();
    const both = await Promise.allSettled([snapshot(vault), snapshot(vault)]);
    const refused = both.filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(1);
    expect(String(refused[0]?.reason)).toContain(`is being taken by process ${process.pid} on host`);
    expect(await listManifests(vault)).toHaveLength(2);
  });

  it('ends when it is aborted, and leaves nothing behind', async () => {
    const vault = newVault();
    const aborting = new AbortController();
    const taking = takeSnapshot({
      dataDirectory,
      connectionString: embedded.connectionString,
      vault,
      now: () => new Date(),
      signal: aborting.signal,
      onProgress: (fraction) => {
        if (fraction !== null && fraction > 0.3) aborting.abort(new Error('stopped'));
      },
    });
    await expect(taking).rejects.toThrow('stopped');
    expect(await readdir(path.join(dataDirectory, 'snapshot'))).toEqual(['lock.sqlite']);
    expect(await listManifests(vault)).toEqual([]);
    await collectGarbage(vault, () => new Date());
    expect(await chunksIn(vault)).toBe(0);
  });
});

describe('garbage', () => {
  it('consists of the objects that no snapshot names, and the snapshots stay whole', async () => {
    const { taken, ...vault } = await vaultWithOne();
    await client.query('update archive set content = content where id <= 4000');
    const second = await snapshot(vault);
    await removeBackup(vault, taken);
    const { objects, bytes } = await collectGarbage(vault, () => new Date());
    expect(objects).toBeGreaterThan(0);
    expect(bytes).toBeGreaterThan(0);
    const { manifests, damaged } = await readManifests(vault);
    expect(damaged).toEqual([]);
    expect(manifests.map(({ id }) => id)).toEqual([second.id]);
    expect((await verifySnapshot({ vault, snapshot: second })).problems).toEqual([]);
  });

  it('stays while a snapshot is taken, and a snapshot waits while it is collected', async () => {
    const { store } = newVault();
    const now = () => new Date();
    const unmarkSnapshot = await markSnapshot(store, now);
    await expect(markCollection(store, now)).rejects.toThrow('a snapshot is being taken');
    await unmarkSnapshot();
    const unmarkCollection = await markCollection(store, now);
    let waited = false;
    const waiting = markSnapshot(store, now).then((unmark) => {
      waited = true;
      return unmark();
    });
    await sleep(100);
    expect(waited).toBe(false);
    await unmarkCollection();
    await waiting;
  });

  it('stays when a manifest cannot be read, because its objects are unknown', async () => {
    const { taken, ...vault } = await vaultWithOne();
    const { key } = taken;
    const before = await chunksIn(vault);
    await writeFile(path.join(vault.root, key), '{}');
    await expect(collectGarbage(vault, () => new Date())).rejects.toThrow(key);
    expect(await chunksIn(vault)).toBe(before);
    await expect(readManifest(vault, (await listManifests(vault))[0]!)).rejects.toThrow('it was edited');
  });
});

async function chunksIn(vault: Vault): Promise<number> {
  let count = 0;
  for await (const _ of vault.store.list('chunks/')) count++;
  return count;
}

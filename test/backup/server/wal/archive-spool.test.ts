import { copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SpoolArchiver } from '../../../../src/backup/server/wal/archive-spool.ts';
import { DirectoryStore } from '../../../../src/backup/store/directory-store.ts';
import { makeVault } from '../../../../src/backup/vault.ts';
import type { Vault } from '../../../../src/backup/vault.ts';

const segment = '000000010000000000000004';
let folder: string;
let spool: string;
let vault: Vault;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'archive-'));
  spool = join(folder, 'spool');
  await mkdir(spool);
  vault = makeVault(new DirectoryStore(join(folder, 'store')), null);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const archiver = () =>
  new SpoolArchiver({ vault, systemIdentifier: '7', spoolDirectory: spool, now: () => new Date() });
const receive = (content: string) => writeFile(join(spool, `${segment}.partial`), content);
const complete = () => rename(join(spool, `${segment}.partial`), join(spool, segment));

/** The names of the stored files. */
async function archived(): Promise<string[]> {
  const names: string[] = [];
  for await (const { key } of vault.store.list('wal/')) names.push(key.split('/').at(-1)!.split('-')[0]!);
  return names;
}

it('keeps the newest beginning of the segment under way, until the segment is complete', async () => {
  const worker = archiver();
  await receive('one');
  await worker.archive({ partial: true });
  await receive('one, two');
  await worker.archive({ partial: false });
  expect(await archived()).toEqual([`${segment}.partial`]);
  await worker.archive({ partial: true });
  expect(await archived()).toEqual([`${segment}.partial`]);
  await complete();
  const [stored] = await worker.archive({ partial: false });
  expect(stored).toMatchObject({ kind: 'segment', file: segment, timeline: 1 });
  expect(await archived()).toEqual([segment]);
  expect(await readdir(spool)).toEqual([]);
});

it('a complete segment replaces a beginning that another process stored', async () => {
  const worker = archiver();
  await worker.archive({ partial: true });
  await receive('one');
  // The archiver of a backup that found no receiver, and received WAL by itself for a while.
  await archiver().archive({ partial: true });
  await complete();
  await worker.archive({ partial: false });
  expect(await archived()).toEqual([segment]);
});

it('a process clears away what a killed one had stored and left in the spool', async () => {
  await receive('one');
  await archiver().archive({ partial: true });
  await copyFile(join(spool, `${segment}.partial`), join(folder, 'aside'));
  await complete();
  await archiver().archive({ partial: false });
  // As after a kill right after the segment was stored: its beginning is there, and the segment is still in the
  // spool.
  await copyFile(join(folder, 'aside'), join(spool, `${segment}.partial`));
  await archiver().archive({ partial: true });
  await complete();
  expect(await archived()).toEqual([segment, `${segment}.partial`]);
  expect(await archiver().archive({ partial: false })).toEqual([]);
  expect(await archived()).toEqual([segment]);
  expect(await readdir(spool)).toEqual([]);
});

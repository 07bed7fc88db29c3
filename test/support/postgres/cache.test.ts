import { access, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { publishFolder } from './cache.ts';

let parent: string;
let target: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'agent-lightning-cache-test-'));
  target = join(parent, 'thing');
});

afterEach(() => rm(parent, { recursive: true }));

const isThere = () =>
  access(join(target, 'last')).then(
    () => true,
    () => false,
  );

test('a folder appears only when it is completely built', async () => {
  let seenBefore: string[] = [];
  await publishFolder(target, isThere, async (folder) => {
    await writeFile(join(folder, 'first'), '');
    seenBefore = (await readdir(parent)).filter((name) => name === 'thing');
    await writeFile(join(folder, 'last'), '');
  });
  expect(seenBefore).toEqual([]);
  expect(await readdir(parent)).toEqual(['thing']);
  expect((await readdir(target)).sort()).toEqual(['first', 'last']);
});

test('other users can read the folder under a closed umask', async () => {
  const before = process.umask(0o077);
  try {
    await publishFolder(target, isThere, (folder) => writeFile(join(folder, 'last'), ''));
  } finally {
    process.umask(before);
  }
  expect((await stat(target)).mode & 0o777).toBe(0o755);
});

test('a build that fails leaves nothing behind, and the next one succeeds', async () => {
  const failing = publishFolder(target, isThere, async (folder) => {
    await writeFile(join(folder, 'first'), '');
    throw new Error('the network went away');
  });
  await expect(failing).rejects.toThrow('the network went away');
  expect(await readdir(parent)).toEqual([]);
  await publishFolder(target, isThere, (folder) => writeFile(join(folder, 'last'), ''));
  expect(await isThere()).toBe(true);
});

test('a good folder is not built again', async () => {
  await publishFolder(target, isThere, (folder) => writeFile(join(folder, 'last'), 'one'));
  await publishFolder(target, isThere, () => Promise.reject(new Error('built a second time')));
  expect(await readFile(join(target, 'last'), 'utf8')).toBe('one');
});

test('a folder that is incomplete, or was built elsewhere, is replaced', async () => {
  await mkdir(target);
  await writeFile(join(target, 'first'), 'half');
  await publishFolder(target, isThere, (folder) => writeFile(join(folder, 'last'), 'whole'));
  expect(await readdir(target)).toEqual(['last']);
  expect(await readdir(parent)).toEqual(['thing']);
});

test('two simultaneous builds both succeed, and the folder of the first stays', async () => {
  let building = 0;
  let most = 0;
  const build = (name: string, ms: number) =>
    publishFolder(target, isThere, async (folder) => {
      building += 1;
      most = Math.max(most, building);
      await sleep(ms);
      await writeFile(join(folder, 'last'), name);
      building -= 1;
    });
  await Promise.all([build('slow', 400), build('quick', 150)]);
  expect(most).toBe(2);
  expect(await readFile(join(target, 'last'), 'utf8')).toBe('quick');
  expect(await readdir(parent)).toEqual(['thing']);
});

test('the leftovers of a killed build are removed once they are old, and kept while the build may be running', async () => {
  const old = `${target}.unfinished-old`;
  const young = `${target}.unfinished-young`;
  await Promise.all([mkdir(old), mkdir(young)]);
  const twoHoursAgo = new Date(Date.now() - 2 * 60 * 60 * 1000);
  await utimes(old, twoHoursAgo, twoHoursAgo);
  await publishFolder(target, isThere, (folder) => writeFile(join(folder, 'last'), ''));
  expect((await readdir(parent)).sort()).toEqual(['thing', 'thing.unfinished-young']);
});

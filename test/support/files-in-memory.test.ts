import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keepFilesInMemory } from './files-in-memory.ts';

let memory: string;
beforeEach(async () => {
  memory = await mkdtemp(join(tmpdir(), 'agent-lightning-memory-test-'));
});
afterEach(() => rm(memory, { recursive: true, force: true }));

test('the temporary files of a run are in memory until it ends', async () => {
  const env: NodeJS.ProcessEnv = {};
  const enough = process.availableMemory() >= 8 * 2 ** 30;
  const remove = keepFilesInMemory(env, memory);
  // A machine that is short of memory keeps them on the disk.
  const [directory, ...others] = await readdir(memory);
  expect(others).toEqual([]);
  expect(directory !== undefined).toBe(enough);
  expect(env['TMPDIR']).toBe(directory && join(memory, directory));
  if (env['TMPDIR'] !== undefined) await writeFile(join(env['TMPDIR'], 'left'), '');
  remove();
  expect(env['TMPDIR']).toBeUndefined();
  expect(await readdir(memory)).toEqual([]);
});

test('a TMPDIR that the user has set stays', async () => {
  const env = { TMPDIR: '/var/tmp' };
  keepFilesInMemory(env, memory)();
  expect(env).toEqual({ TMPDIR: '/var/tmp' });
  expect(await readdir(memory)).toEqual([]);
});

test('a machine without such a directory keeps them on the disk', () => {
  const env: NodeJS.ProcessEnv = {};
  keepFilesInMemory(env, join(memory, 'missing'))();
  expect(env).toEqual({});
});

test('files of a run that was killed are removed, and those of a run that lives stay', async () => {
  const { pid: ended } = spawnSync('true');
  for (const name of [`lightning-${ended}-killed`, `lightning-${process.pid}-alive`, 'of-another-program'])
    await mkdir(join(memory, name));
  const env: NodeJS.ProcessEnv = {};
  const remove = keepFilesInMemory(env, memory);
  const taken = env['TMPDIR'] !== undefined;
  remove();
  const left = [`lightning-${process.pid}-alive`, 'of-another-program'];
  expect((await readdir(memory)).sort()).toEqual(
    taken ? left : [`lightning-${ended}-killed`, ...left].sort(),
  );
});

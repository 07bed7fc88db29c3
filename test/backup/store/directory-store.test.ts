import { fork } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { DirectoryStore } from '../../../src/backup/store/directory-store.ts';
import { describeStore } from './conformance/store-conformance.ts';

const directories: string[] = [];
async function emptyDirectory(): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'store-'));
  directories.push(directory);
  return directory;
}
afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true, force: true });
});

describeStore('a directory', async () => new DirectoryStore(path.join(await emptyDirectory(), 'deep', 'er')));

describe('a directory as a store', () => {
  it('is readable by its owner alone', async () => {
    const root = path.join(await emptyDirectory(), 'backups');
    await new DirectoryStore(root).put('a/b', Buffer.from('x'));
    expect((await stat(root)).mode & 0o777).toBe(0o700);
    expect((await stat(path.join(root, 'a'))).mode & 0o777).toBe(0o700);
    expect((await stat(path.join(root, 'a/b'))).mode & 0o777).toBe(0o600);
  });

  it('does not list or read links, which may lead out of it', async () => {
    const root = await emptyDirectory();
    await writeFile(path.join(root, 'secret'), 'x');
    const store = new DirectoryStore(path.join(root, 'backups'));
    await store.put('a/b', Buffer.from('x'));
    await symlink(path.join(root, 'secret'), path.join(root, 'backups/a/link'));
    const keys: string[] = [];
    for await (const { key } of store.list('')) keys.push(key);
    expect(keys).toEqual(['a/b']);
  });

  it('clears away drafts of processes that were killed, once they are a day old', async () => {
    const root = await emptyDirectory();
    const drafts = path.join(root, '.drafts');
    await mkdir(drafts);
    for (const name of ['old', 'young']) await writeFile(path.join(drafts, name), 'half');
    const yesterday = new Date(Date.now() - 25 * 3_600_000);
    await utimes(path.join(drafts, 'old'), yesterday, yesterday);
    await new DirectoryStore(root).put('a', Buffer.from('x'));
    expect(await readdir(drafts)).toEqual(['young']);
  });

  it('shows nothing of an object whose writer is killed in the middle', async () => {
    const root = await emptyDirectory();
    const writer = fork(fileURLToPath(new URL('put-until-killed.ts', import.meta.url)), [root]);
    const draft = await untilDraft(root);
    writer.kill('SIGKILL');
    await new Promise((resolve) => {
      writer.once('exit', resolve);
    });
    // The kill came in the middle: a part is written, and more would have followed.
    expect((await stat(draft)).size).toBeGreaterThan(0);
    const store = new DirectoryStore(root);
    const listed: string[] = [];
    for await (const { key } of store.list('')) listed.push(key);
    expect(listed).toEqual([]);
    await store.put('a/object', Buffer.from('whole'));
    for await (const { bytes } of store.list('')) expect(bytes).toBe(5);
  });
});

async function untilDraft(root: string): Promise<string> {
  for (;;) {
    const [name] = await readdir(path.join(root, '.drafts')).catch(() => []);
    if (name !== undefined) {
      const draft = path.join(root, '.drafts', name);
      if ((await stat(draft)).size > 0) return draft;
    }
    await sleep(5);
  }
}

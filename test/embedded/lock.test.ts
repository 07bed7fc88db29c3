import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DirectoryHeld, takeLock } from '../../src/embedded/lock.ts';

const holdingScript = fileURLToPath(new URL('hold-until-killed.ts', import.meta.url));
let directory: string;
const processes: ChildProcess[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lightning-'));
});
afterEach(() => {
  for (const child of processes.splice(0)) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

test('a directory that this process holds is refused to it too, until it releases it', async () => {
  const lock = await takeLock(directory, 0);
  await expect(takeLock(directory, 0)).rejects.toThrow(`by process ${process.pid} on host`);
  lock.release();
  lock.release();
  (await takeLock(directory, 0)).release();
});

test.skipIf(process.platform !== 'linux')(
  'a directory is free as soon as its holder has been killed, reaped or not',
  { timeout: 60_000 },
  async () => {
    // The parent becomes a program that never asks how a child has ended.
    const parent = spawn(
      'sh',
      ['-c', '"$0" "$@" & exec sleep 60', process.execPath, holdingScript, directory],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    processes.push(parent);
    const holder = await new Promise<number>((resolve) => {
      parent.stdout.once('data', (line) => resolve(Number(String(line))));
    });
    await expect(takeLock(directory, 0)).rejects.toThrow(`by process ${holder} on host`);
    process.kill(holder, 'SIGKILL');
    const lock = await takeLock(directory, 10_000);
    // The kernel closes the files of a process a moment before the process counts as ended.
    await expect.poll(() => readFileSync(`/proc/${holder}/stat`, 'utf8')).toMatch(/\) Z /);
    expect(lock.earlier).toMatchObject({ pid: holder });
    lock.release();
  },
);

test('a file that a holder left behind does not hold the directory, whatever it says', async () => {
  const left = JSON.stringify({
    pid: process.pid,
    host: hostname(),
    startedAt: '2026-01-01T00:00:00Z',
    processStart: null,
  });
  // The second form is the lock of releases that trusted a pid.
  for (const name of ['lock.json', 'lightning.lock']) writeFileSync(join(directory, name), left);
  const lock = await takeLock(directory, 0);
  expect(existsSync(join(directory, 'lightning.lock'))).toBe(false);
  lock.release();
  writeFileSync(join(directory, 'lock.json'), 'garbage');
  (await takeLock(directory, 0)).release();
});

test('one of twenty simultaneous processes gets the directory', async () => {
  writeFileSync(join(directory, 'lock.json'), JSON.stringify({ pid: 2 ** 22 - 1, startedAt: 'long ago' }));
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => takeLock(directory, 0)));
  expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
  const refusals = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  expect(new Set(refusals.map((error: Error) => error.constructor))).toEqual(new Set([DirectoryHeld]));
});

test.skipIf(process.platform !== 'linux')(
  'a lock that cannot be written is refused, because SQLite would only read it, which everybody may',
  async () => {
    mkdirSync(join(directory, 'lock.sqlite'));
    await expect(takeLock(directory, 0)).rejects.toThrow(
      /cannot take the lock .*lock\.sqlite .*must be writable/,
    );
    rmSync(join(directory, 'lock.sqlite'), { recursive: true });
    // The kernel lets nobody write to this directory, not even root.
    symlinkSync('/proc/sys/kernel/ostype', join(directory, 'lock.sqlite'));
    await expect(takeLock(directory, 0)).rejects.toThrow(
      /cannot take the lock .*lock\.sqlite .*must be writable/,
    );
  },
);

test('Node does not warn on stderr when a lock is taken', async () => {
  const child = spawn(process.execPath, [holdingScript, directory], { stdio: 'pipe' });
  processes.push(child);
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += String(chunk)));
  await once(child.stdout, 'data');
  expect(errors).toBe('');
});

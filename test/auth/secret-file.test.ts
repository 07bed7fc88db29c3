import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readOrMakeSecret } from '../../src/auth/secret-file.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'secret-'));
});
afterEach(() => rm(directory, { recursive: true }));

it('a secret is made once, is the same for simultaneous callers, and only its owner can read it', async () => {
  const secrets = await Promise.all([1, 2, 3, 4].map(() => readOrMakeSecret(path.join(directory, 'data'))));
  expect(new Set(secrets).size).toBe(1);
  expect(secrets[0]).toMatch(/^[0-9a-f]{64}$/);
  const file = path.join(directory, 'data', 'jwt-secret');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await readFile(file, 'utf8')).trim()).toBe(secrets[0]);
});

it('a truncated secret file is refused and left as it is', async () => {
  await writeFile(path.join(directory, 'jwt-secret'), 'abc\n');
  await expect(readOrMakeSecret(directory)).rejects.toThrow(
    /has 3 characters; expected 32 or more: remove it/,
  );
});

import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { tellFirstToken } from '../../src/commands/first-token.ts';
import type { LogEntry } from '../../src/log.ts';
import { commandContext } from '../support/command-context.ts';

let folder: string;
const logged: LogEntry[] = [];
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'lightning-first-'));
  logged.length = 0;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const context = (outputIsTerminal: boolean) => ({
  ...commandContext({}).context,
  outputIsTerminal,
  log: (entry: LogEntry) => void logged.push(entry),
});

test('the first token is a line for a terminal, and is written nowhere', async () => {
  expect(await tellFirstToken(context(true), 'the-token', path.join(folder, 'data'))).toBe(
    'Token     the-token',
  );
  expect(logged).toEqual([]);
  expect(await readdir(folder)).toEqual([]);
});

test('the first token of any other output is in a file of its owner alone, which the log names, and never in the log', async () => {
  const data = path.join(folder, 'data');
  const file = path.join(data, 'first-token');
  expect(await tellFirstToken(context(false), 'the-token', data)).toBeNull();
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readFile(file, 'utf8')).toBe('the-token\n');
  expect(logged).toMatchObject([{ event: 'first-token', file }]);
  expect(JSON.stringify(logged)).not.toContain('the-token');

  // A file that was there before, readable by all, is replaced by one that is not.
  await writeFile(file, 'old');
  await chmod(file, 0o644);
  await tellFirstToken(context(false), 'next', data);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readdir(data)).toEqual(['first-token']);
});

test('a first token that cannot be written is a warning, and ends nothing', async () => {
  await writeFile(path.join(folder, 'data'), 'not a directory');
  expect(await tellFirstToken(context(false), 'the-token', path.join(folder, 'data'))).toBeNull();
  expect(logged).toMatchObject([{ level: 'warning', event: 'first-token' }]);
  expect(JSON.stringify(logged)).not.toContain('the-token');
});

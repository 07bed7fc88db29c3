import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lightningHere } from '../support/lightning-here.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';

let directory: string;
beforeAll(async () => {
  directory = await migratedDataDirectory();
});
afterAll(() => rm(directory, { recursive: true, force: true }));

test('a command that a signal ends says so in one line, and exits with 1', async () => {
  const env = { DATA_DIR: directory, BACKUP_STORE: join(directory, 'backups') };
  expect(await lightningHere(['backup'], env)).toMatchObject({ status: 0 });
  const before = new Set(process.listeners('SIGTERM'));
  const ending = lightningHere(['backup', 'verify'], env);
  const added = () => process.listeners('SIGTERM').filter((listener) => !before.has(listener));
  await expect.poll(() => added().length, { interval: 1 }).toBe(1);
  // The signal must not reach this process, whose own listeners would end the test.
  added()[0]!('SIGTERM');
  expect(await ending).toEqual({ status: 1, stdout: '', stderr: 'lightning: ended by SIGTERM\n' });
}, 60_000);

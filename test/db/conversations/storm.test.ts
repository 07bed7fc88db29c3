import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../../src/db/database.ts';
import { sql } from '../../../src/db/statement.ts';
import { migratedDatabase } from '../../support/db.ts';
import type { MigratedDatabase } from '../../support/db.ts';
import { testRolePrefix } from '../../support/logins.ts';
import { serverDatabase } from '../../support/server-database.ts';
import { noServer } from '../../support/server.ts';
import { letLoose } from './let-loose.ts';

describe.skipIf(noServer)('two writers to one thread', () => {
  let database: MigratedDatabase;
  let directory: string;
  let admin: Database;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'lightning-storm-'));
    database = await migratedDatabase();
    admin = serverDatabase(database.adminUrl);
    await admin.query(sql`select ops.create_tenant('storm', 'Storm')`);
  });
  afterAll(async () => {
    await admin?.close();
    await database?.drop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  test('lose no message, and have none twice, while they are killed, cut off and call again', async () => {
    const place = {
      url: database.urls.api,
      rolePrefix: testRolePrefix,
      tenant: 'storm',
      journal: path.join(directory, 'journal'),
    };
    const report = await letLoose(admin, place, { writers: 2, messages: 200, kills: 2, cuts: 2 });
    expect(report).toMatchObject({ problems: [], messages: 400, kills: 4 });
    // Each cut struck a call, or was noticed by one of the two that were under way at once.
    expect(report.lost).toBeGreaterThan(0);
    expect(report.refused).toBeGreaterThan(0);
  });
});

describe('the options of the storm', () => {
  const script = fileURLToPath(new URL('storm.ts', import.meta.url));

  test.each([
    [['--messages', '0'], '--messages is "0"; a whole number from 1 to 100000 is needed'],
    [['--gently'], "Unknown option '--gently'"],
  ])('%j is refused, saying what is allowed', async (args, message) => {
    await expect(promisify(execFile)(process.execPath, [script, ...args])).rejects.toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(message) as string,
    });
  });
});

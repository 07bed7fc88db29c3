import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';
import { outliveCuts } from './outlive-cuts.ts';

// The short form of outlive-cuts.ts. It has no jobs: a job that a cut kept from the worker comes back only after more
// than a minute.
describe.skipIf(noServer)('a process whose connections are cut again and again', () => {
  let fresh: MigratedDatabase;

  beforeAll(async () => {
    fresh = await migratedDatabase();
  });
  afterAll(() => fresh?.drop());

  test('still answers, has told its streams of every row, and ends in order', async () => {
    const report = await outliveCuts({
      commands: ['start'],
      cuts: 10,
      addsJobs: false,
      urls: fresh.urls,
      adminUrl: fresh.adminUrl,
      rolePrefix: testRolePrefix,
    });
    expect(report.problems).toEqual([]);
    expect(report.cutConnections).toBeGreaterThan(3);
    expect(report.rowsWritten).toBeGreaterThan(0);
  }, 120_000);
});

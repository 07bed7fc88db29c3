import { glob } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { noServer } from '../support/server.ts';
import { findProtections } from './protections.ts';
import type { Protection } from './protections.ts';
import { takeAway } from './take-away.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe.skipIf(noServer)('checks and triggers', () => {
  let database: MigratedDatabase;
  let admin: Client;
  let protections: readonly Protection[];

  beforeAll(async () => {
    database = await migratedDatabase();
    admin = new Client({ connectionString: database.adminUrl });
    await admin.connect();
    protections = await findProtections(admin);
  });
  afterAll(async () => {
    await admin?.end();
    await database?.drop();
  });

  test('each have tests that could notice its absence', async () => {
    expect(protections.length).toBeGreaterThan(150);
    expect(new Set(protections.map(({ name }) => name)).size).toBe(protections.length);
    const files: string[] = [];
    for await (const file of glob('test/**/*.test.ts', { cwd: root })) files.push(file);
    const without = protections.filter(
      ({ tests }) => !tests.some((part) => files.some((file) => file.startsWith(part))),
    );
    expect(without.map(({ name }) => name)).toEqual([]);
  });

  test('can each be taken away alone', async () => {
    for (const { name, removal } of protections) {
      await admin.query('begin');
      await expect(admin.query(removal), name).resolves.toBeDefined();
      await admin.query('rollback');
    }
  });

  // The run starts a server of its own. Another one each day; node test/protections/take-all-away.ts tries all.
  test.skipIf(process.env['TEST_DATABASE_URL'] !== undefined)(
    'are missed when they are gone: that of the day',
    async () => {
      const today = protections[Math.floor(Date.now() / 86_400_000) % protections.length]!;
      expect([today.name, (await takeAway(today)).noticed]).toEqual([today.name, true]);
    },
    600_000,
  );
});

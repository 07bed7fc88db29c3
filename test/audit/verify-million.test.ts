import { Client } from 'pg';
import { expect, test } from 'vitest';
import { migratedDatabase } from '../support/db.ts';
import { noServer } from '../support/server.ts';
import { verifyMany } from './verify-million.ts';

test.skipIf(noServer)(
  'thousands of honest rows verify clean, and an altered one among them is found',
  async () => {
    const database = await migratedDatabase();
    const admin = new Client({ connectionString: database.adminUrl });
    await admin.connect();
    try {
      const { rows } = await verifyMany(admin, 2_000);
      expect(rows).toBeGreaterThanOrEqual(2_000);
    } finally {
      await admin.end();
      await database.drop();
    }
  },
);

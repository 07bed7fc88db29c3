import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse-config.ts';
import { openConnections } from '../../src/open-database.ts';
import { migratedDatabase } from '../support/db.ts';
import { testRolePrefix } from '../support/logins.ts';
import { noServer } from '../support/server.ts';
import { attack } from './attack.ts';
import type { AttackedDatabase } from './attack.ts';
import { strongSecret } from '../support/token-keys.ts';

// Each 23rd request, so that every run of the suite takes other requests as columns and arguments are added. The long
// form sends all of them, with texts of 5 MB: node test/poison/poison.ts.
const every = 23;

describe.skipIf(noServer)(
  'poison from one tenant, in everything that the catalog lets it write and call',
  () => {
    let database: AttackedDatabase;
    const undo: (() => Promise<unknown>)[] = [];

    beforeAll(async () => {
      const made = await migratedDatabase();
      undo.push(() => made.drop());
      const config = parseConfig({
        DATABASE_URL: made.urls.api,
        WORKER_DATABASE_URL: made.urls.worker,
        JWT_SECRET: strongSecret,
        DB_ROLE_PREFIX: testRolePrefix,
      });
      const connections = await openConnections(config, () => {}, { attach: false });
      const admin = new Client(made.adminUrl);
      await admin.connect();
      undo.push(() => admin.end());
      database = { config, connections, admin };
    });
    afterAll(async () => {
      for (const step of undo.toReversed()) await step();
    });

    test("breaks no door, stops no job, and leaves another tenant's day as it is without poison", async () => {
      const { requests, statuses, faults, without, withPoison, failedRuns, setAsideOf } = await attack(
        database,
        {
          dose: 'short',
          every,
        },
      );
      expect(requests).toBeGreaterThan(150);
      // Some poison is stored and some refused, or else the requests do not get to where poison takes effect.
      expect((statuses.get(201) ?? 0) + (statuses.get(200) ?? 0)).toBeGreaterThan(30);
      expect(statuses.get(400)).toBeGreaterThan(30);
      expect(faults).toEqual([]);
      expect(failedRuns).toEqual([]);
      expect(withPoison).toEqual(without);
      expect(setAsideOf.filter((tenant) => tenant !== 'poisoner')).toEqual([]);
    }, 120_000);
  },
);

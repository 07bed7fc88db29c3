import { rm } from 'node:fs/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, describe } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { startEmbedded } from '../../src/embedded/embedded.ts';
import { PostgresDatabase } from '../../src/db/postgres.ts';
import { freshDatabase } from '../support/db.ts';
import { emptyDataDirectory } from '../support/embedded-template.ts';
import { poolOptions } from '../support/server-database.ts';
import { noServer, readyServer } from '../support/server.ts';

/** An empty database for one group of tests. */
export interface Target {
  /** The URL of a superuser, as which `database` connects too. */
  readonly url: string;
  readonly database: Database;
  /** Runs one or several statements as a superuser. */
  run(text: string): Promise<void>;
}

/** Returns the target in hooks and tests, but not during collection. */
export type GetTarget = () => Target;
type Tests = (target: GetTarget, kind: Database['kind']) => void;

/** Describes the same tests on an empty database of the run's server and on an empty embedded one. */
export function describeOnBoth(name: string, tests: Tests): void {
  describe.skipIf(noServer)(`${name}, on a server`, () => {
    withTarget('server', tests, async () => {
      const fresh = await freshDatabase(readyServer().adminUrl);
      return { url: fresh.url, drop: () => fresh.drop() };
    });
  });
  describe(`${name}, embedded`, () => {
    withTarget('embedded', tests, async () => {
      const directory = await emptyDataDirectory();
      const embedded = await startEmbedded({ dataDirectory: directory });
      return {
        url: embedded.connectionString,
        drop: async () => {
          await embedded.close();
          await rm(directory, { recursive: true, force: true });
        },
      };
    });
  });
}

interface Place {
  readonly url: string;
  drop(): Promise<void>;
}

function withTarget(kind: Database['kind'], tests: Tests, make: () => Promise<Place>): void {
  let place: Place;
  let target: Target;
  let admin: Client;

  beforeAll(async () => {
    place = await make();
    admin = new Client({ connectionString: place.url });
    await admin.connect();
    target = {
      url: place.url,
      database: new PostgresDatabase(kind, poolOptions(place.url, {}), () => {}),
      run: async (text) => void (await admin.query(text)),
    };
  });
  afterAll(async () => {
    await target?.database.close();
    await admin?.end();
    await place?.drop();
  });

  tests(() => target, kind);
}

import { Client } from 'pg';
import { prepareDatabase } from '../../src/setup/prepare-database.ts';
import { describe } from 'vitest';
import { describeDatabase } from '../conformance/database.ts';
import { freshDatabase } from '../support/db.ts';
import { testRolePrefix } from '../support/logins.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer, readyServer } from '../support/server.ts';

describe.skipIf(noServer)('PostgresDatabase', () => {
  describeDatabase('a server', async () => {
    const fresh = await freshDatabase(readyServer().adminUrl);
    const admin = new Client({ connectionString: fresh.url });
    await admin.connect();
    await prepareDatabase(admin, testRolePrefix);
    await admin.end();
    return {
      open: (options) => serverDatabase(fresh.url, options),
      close: () => fresh.drop(),
    };
  });
});

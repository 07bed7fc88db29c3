// A process for crash.test.ts to kill: opens the embedded database of a directory, brings a workflow into the middle of
// completing a step, prints that as a line of JSON, and waits.
import { Client } from 'pg';
import { parseConfig } from '../../../src/config/parse-config.ts';
import { apiDatabase, openConnections } from '../../../src/open-database.ts';
import { testRolePrefix } from '../../support/logins.ts';
import { runIntoTheMiddle } from './the-middle.ts';

const config = parseConfig({ DATA_DIR: process.argv[2], DB_ROLE_PREFIX: testRolePrefix });
const connections = await openConnections(config, () => {}, { attach: false });
const client = new Client({ connectionString: connections.api! });
await client.connect();
const middle = await runIntoTheMiddle(
  apiDatabase(connections, config, () => {}),
  client,
);
process.stdout.write(`${JSON.stringify(middle)}\n`);

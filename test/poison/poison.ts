import { randomBytes } from 'node:crypto';
import { parseArgs, isDeepStrictEqual } from 'node:util';
import { Client } from 'pg';
import { parseConfig } from '../../src/config/parse-config.ts';
import { migrate } from '../../src/db/migrations.ts';
import { openConnections } from '../../src/open-database.ts';
import { setupServer } from '../../src/setup/setup-server.ts';
import { testLogins, testRolePrefix } from '../support/logins.ts';
import { provideServer } from '../support/postgres/provide.ts';
import { attack } from './attack.ts';
import { strongSecret } from '../support/token-keys.ts';

const help = `node test/poison/poison.ts [--every N] [--max-body-bytes N] [--short]

Sends poison into every column that a service may write and every argument of every function that it may call, as the catalog
and the schema of GraphQL list them, while the worker runs: extremes, special values, values that Postgres or another door
cannot carry, texts of 5 MB. Compares the day of a healthy tenant with one that it spent before. Runs on its own server, or on
the one that TEST_DATABASE_URL names. Exits with 1 when a door answered with 5xx or INTERNAL_ERROR, a job failed, or the days differ.

  --every N           only each n-th request (default 1)
  --max-body-bytes N  largest body that the API accepts (default 16777216: texts of 5 MB get to Postgres)
  --short             leaves out the slow poison`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    short: { type: 'boolean', default: false },
    every: { type: 'string', default: '1' },
    'max-body-bytes': { type: 'string', default: '16777216' },
  },
});
if (values.help) {
  console.log(help);
  process.exit(0);
}
const server = await provideServer();
if (server.kind === 'unavailable') {
  console.error(`poison: no server: ${server.reason}`);
  process.exit(1);
}
const databaseName = `poison_${randomBytes(4).toString('hex')}`;
const at = (url: string) => Object.assign(new URL(url), { pathname: `/${databaseName}` }).href;
const admin = new Client(server.adminUrl);
await admin.connect();
try {
  const {
    api,
    migrate: migrateUrl,
    worker,
  } = await setupServer({
    adminUrl: server.adminUrl,
    databaseName,
    rolePrefix: testRolePrefix,
    logins: testLogins,
    log: () => {},
  });
  if (api === null || migrateUrl === null || worker === null)
    throw new Error('the server has logins of another run: set TEST_DATABASE_URL to another server');
  await migrate({ connectionString: migrateUrl, rolePrefix: testRolePrefix, log: () => {} });
  const config = parseConfig({
    DATABASE_URL: api,
    WORKER_DATABASE_URL: worker,
    JWT_SECRET: strongSecret,
    DB_ROLE_PREFIX: testRolePrefix,
  });
  const connections = await openConnections(config, () => {}, { attach: false });
  const inside = new Client(at(server.adminUrl));
  await inside.connect();
  const began = performance.now();
  const outcome = await attack(
    { config, connections, admin: inside },
    {
      dose: values.short ? 'short' : 'long',
      every: Number(values.every),
      maxBodyBytes: Number(values['max-body-bytes']),
      say: console.log,
    },
  ).finally(() => inside.end());
  const { requests, statuses, faults, failedRuns, setAsideOf, without, withPoison } = outcome;
  const sameDay = isDeepStrictEqual(without, withPoison);
  console.log(`${requests} requests in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  for (const [status, count] of [...statuses].toSorted(([a], [b]) => a - b))
    console.log(`  ${status}: ${count}`);
  console.log(`${faults.length} faults`);
  for (const line of failedRuns) console.log(`failed job: ${line}`);
  console.log(`tenants with quarantined items: ${setAsideOf.join(', ') || 'none'}`);
  console.log(`the day of a healthy tenant is ${sameDay ? 'the same' : 'DIFFERENT'}`);
  if (!sameDay) console.log(JSON.stringify({ without, withPoison }, null, 2));
  if (faults.length + failedRuns.length > 0 || !sameDay || setAsideOf.some((tenant) => tenant !== 'poisoner'))
    process.exitCode = 1;
} finally {
  await admin.query(`drop database if exists ${databaseName} with (force)`);
  await admin.end();
  await server.stop();
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { describeSchema } from '../support/describe-schema.ts';
import { testRolePrefix } from '../support/logins.ts';
import { provideServer } from '../support/postgres/provide.ts';

// npm run db:watch, db:reset, db:commit, db:uncommit and db:schema: graphile-migrate with what it needs around it. They work on the
// databases that DATABASE_URL, SHADOW_DATABASE_URL and ROOT_DATABASE_URL name, or, where none of them is set, on a server of their own
// as the tests have it, which goes when they end. migrations/README.md says which to use when.

const root = fileURLToPath(new URL('../../', import.meta.url));
const current = `${root}current.sql`;
const schema = `${root}sql/schema.sql`;
const graphileMigrate = `${root}node_modules/graphile-migrate/dist/cli.js`;
const variables = ['DATABASE_URL', 'SHADOW_DATABASE_URL', 'ROOT_DATABASE_URL'] as const;

type Urls = Readonly<Record<(typeof variables)[number], string>>;

/** Something that a person has to mend. The message says what. */
class DevelopError extends Error {
  override name = 'DevelopError';
}

const verbs: Readonly<Record<string, (urls: Urls, args: readonly string[]) => Promise<void>>> = {
  reset: (urls) => run(urls, ['reset', '--erase']),
  // What was watched before is in the database already: it begins from the committed migrations.
  watch: async (urls, args) => {
    await run(urls, ['reset', '--erase']);
    await run(urls, ['watch', ...args]);
  },
  commit: async (urls, args) => {
    await keepingCurrent(async () => {
      await run(urls, ['reset', '--erase']);
      await run(urls, ['commit', ...args]);
    });
    await writeSchema(urls);
  },
  uncommit: async (urls) => {
    await run(urls, ['reset', '--erase']);
    await run(urls, ['uncommit']);
    await run(urls, ['reset', '--erase']);
    await writeSchema(urls);
  },
  schema: async (urls) => {
    await run(urls, ['reset', '--erase']);
    await writeSchema(urls);
  },
};

const [verb = '', ...rest] = process.argv.slice(2);
const work = verbs[verb];
try {
  if (work === undefined)
    throw new DevelopError(`one of ${Object.keys(verbs).join(', ')} is expected, not "${verb}"`);
  await withUrls((urls) => work(urls, rest));
} catch (error) {
  if (!(error instanceof DevelopError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

async function withUrls(use: (urls: Urls) => Promise<void>): Promise<void> {
  const missing = variables.filter((name) => !process.env[name]);
  if (missing.length === 0)
    return use(Object.fromEntries(variables.map((name) => [name, process.env[name]])) as Urls);
  if (missing.length < variables.length)
    throw new DevelopError(
      `${missing.join(' and ')}: set all three, or none to work on a server of its own (migrations/README.md)`,
    );
  const server = await provideServer();
  if (server.kind === 'unavailable') throw new DevelopError(`there is no server: ${server.reason}`);
  try {
    const url = (database: string, options?: string) => {
      const made = Object.assign(new URL(server.adminUrl), { pathname: `/${database}` });
      if (options !== undefined) made.searchParams.set('options', options);
      return made.href;
    };
    const asOwner = `-c role=${testRolePrefix}_owner`;
    await use({
      DATABASE_URL: url('lightning_dev', asOwner),
      SHADOW_DATABASE_URL: url('lightning_shadow', asOwner),
      ROOT_DATABASE_URL: url('postgres'),
    });
  } finally {
    await server.stop();
  }
}

/** Runs graphile-migrate to its end, which makes both databases where they are missing. */
async function run(urls: Urls, args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [graphileMigrate, ...args], {
    cwd: root,
    env: { ...process.env, ...urls },
    stdio: 'inherit',
  });
  const [status] = (await once(child, 'exit')) as [number | null];
  if (status !== 0) throw new DevelopError(`graphile-migrate ${args[0]} failed`);
}

/** graphile-migrate leaves current.sql with every include expanded when a commit fails: later edits of sql/ would not be in it. */
async function keepingCurrent(commit: () => Promise<void>): Promise<void> {
  const before = await readFile(current, 'utf8');
  try {
    await commit();
  } catch (error) {
    await writeFile(current, before);
    throw error;
  }
}

async function writeSchema(urls: Urls): Promise<void> {
  const client = new Client({ connectionString: urls.DATABASE_URL });
  await client.connect();
  try {
    await writeFile(schema, await describeSchema(client, testRolePrefix));
  } finally {
    await client.end();
  }
  console.log('sql/schema.sql is written');
}

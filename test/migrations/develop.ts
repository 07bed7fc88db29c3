import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { describeSchema } from '../support/describe-schema.ts';
import { testRolePrefix } from '../support/logins.ts';
import { provideServer } from '../support/postgres/provide.ts';

// npm run db:watch, db:reset, db:commit, db:uncommit and db:schema: graphile-migrate, and the preparations that it
// needs. They work on the databases that DATABASE_URL, SHADOW_DATABASE_URL and ROOT_DATABASE_URL name. When none of
// these is set, they start a server of their own as tests do, which is removed when they end. migrations/README.md
// says which to use when.

const root = fileURLToPath(new URL('../../', import.meta.url));
const current = `${root}current.sql`;
const schema = `${root}sql/schema.sql`;
const graphileMigrate = `${root}node_modules/graphile-migrate/dist/cli.js`;
const variables = ['DATABASE_URL', 'SHADOW_DATABASE_URL', 'ROOT_DATABASE_URL'] as const;

type Urls = Readonly<Record<(typeof variables)[number], string>>;

/** A fault that a person has to mend; the message says how. */
class DevelopError extends Error {
  override name = 'DevelopError';
}

const verbs: Readonly<Record<string, (urls: Urls, args: readonly string[]) => Promise<void>>> = {
  reset: (urls) => run(urls, ['reset', '--erase']),
  // The database still has what was watched before, so it is reset to the committed migrations.
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
    throw new DevelopError(`expected one of ${Object.keys(verbs).join(', ')}, got "${verb}"`);
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
  if (server.kind === 'unavailable') throw new DevelopError(`no server is available: ${server.reason}`);
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

/** Runs graphile-migrate to its end. It creates the two databases if they are missing. */
async function run(urls: Urls, args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [graphileMigrate, ...args], {
    cwd: root,
    env: { ...process.env, ...urls },
    stdio: 'inherit',
  });
  const [status] = (await once(child, 'exit')) as [number | null];
  if (status !== 0) throw new DevelopError(`graphile-migrate ${args[0]} failed`);
}

/**
 * Restores current.sql when a commit fails: graphile-migrate leaves it with every include expanded, so later edits of
 * sql/ would be missing from it.
 */
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

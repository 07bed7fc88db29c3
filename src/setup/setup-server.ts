import { randomBytes } from 'node:crypto';
import { DatabaseError } from 'pg';
import type { Client, ClientConfig } from 'pg';
import type { ConnectionLimits } from '../db/bounded-client.ts';
import { boundedClient } from '../db/pool.ts';
import { findLink } from '../db/pooler.ts';
import { roleName } from '../db/roles.ts';
import { quoteIdentifier, quoteLiteral } from '../db/statement.ts';
import { OperationalError } from '../operational-error.ts';
import { prepareDatabase } from './prepare-database.ts';

/** The oldest supported server: incremental backups came with it. */
const oldestVersion = 17;

export interface SetupOptions {
  /** URL of an administrator, connected to any database of the server. */
  readonly adminUrl: string;
  readonly ssl?: ClientConfig['ssl'];
  /** The database to make or to complete. */
  readonly databaseName: string;
  readonly rolePrefix: string;
  /** Names of the four logins. */
  readonly logins: LoginNames;
  /** Called after each step that was done. */
  readonly log: (line: string) => void;
}

/** The four identities, each a login of its own. */
export interface LoginNames {
  readonly api: string;
  readonly migrate: string;
  readonly worker: string;
  readonly backup: string;
}

/**
 * Connection URLs of the four logins. An existing login keeps its password, which is unknown here, so its URL
 * is null.
 */
export type LoginUrls = { readonly [kind in keyof LoginNames]: string | null };

/** The longest wait is the one for another setup. */
const limits: ConnectionLimits = {
  kind: 'server',
  connectMs: 10_000,
  statementTimeoutMs: 300_000,
  silenceMs: 5_000,
};

/** The server cannot be used as it is. The message says why, and what to do. */
export class SetupError extends OperationalError {
  override name = 'SetupError';
}

/**
 * Prepares a fresh server: roles, database, extension, and the four logins with random passwords. Can be run
 * again: existing objects are kept and completed. Runs at the same time, through the same database of
 * `adminUrl`, come one after the other. Throws SetupError when the server is too old or lacks pgvector, and
 * behind a pooler.
 */
export async function setupServer(options: SetupOptions): Promise<LoginUrls> {
  const admin = await connect(options.adminUrl, options.ssl);
  try {
    await refusePooler(admin);
    await checkServer(admin);
    await takeTurn(admin, options);
    await createDatabase(admin, options);
    return await completeDatabase(options);
  } finally {
    // The lock ends with the connection.
    await admin.end();
  }
}

async function completeDatabase(options: SetupOptions): Promise<LoginUrls> {
  const databaseUrl = withDatabase(options.adminUrl, options.databaseName);
  const client = await connect(databaseUrl, options.ssl);
  try {
    await prepareDatabase(client, options.rolePrefix);
    options.log(`roles ${options.rolePrefix}_* and extension vector are in place`);
    await client.query(`alter database ${quoteIdentifier(options.databaseName)} owner to ${owner(options)}`);
    const passwords = {
      api: await createLogin(client, options.logins.api, 'noinherit', options.log),
      migrate: await createLogin(client, options.logins.migrate, 'noinherit createrole', options.log),
      worker: await createLogin(client, options.logins.worker, 'inherit', options.log),
      backup: await createLogin(client, options.logins.backup, 'noinherit replication', options.log),
    };
    await client.query(membershipsOf(options));
    await letDrillsRead(client, options);
    const url = (login: string, password: string | null) =>
      password && loginUrl(databaseUrl, login, password);
    return {
      api: url(options.logins.api, passwords.api),
      migrate: url(options.logins.migrate, passwords.migrate),
      worker: url(options.logins.worker, passwords.worker),
      backup: url(options.logins.backup, passwords.backup),
    };
  } finally {
    await client.end();
  }
}

async function connect(connectionString: string, ssl: ClientConfig['ssl']): Promise<Client> {
  const client = boundedClient(
    {
      connectionString,
      ...(ssl === undefined ? {} : { ssl }),
      application_name: 'agent_lightning setup',
    },
    limits,
  );
  // An error between two statements makes the next one fail.
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function refusePooler(admin: Client): Promise<void> {
  if ((await findLink(admin, 'auto', {})) === 'session') return;
  throw new SetupError(
    '--admin-url leads to a connection pooler; the setup makes a database and continues in it, so name the server itself (docs/poolers.md)',
  );
}

async function checkServer(admin: Client): Promise<void> {
  const { rows } = await admin.query(
    `select current_setting('server_version') as version,
            current_setting('server_version_num')::int / 10000 as major,
            current_setting('data_checksums') as checksums,
            exists (select from pg_available_extensions where name = 'vector') as vector`,
  );
  const { version, major, vector } = rows[0];
  if (major < oldestVersion) {
    throw new SetupError(`the server is Postgres ${version}; expected ${oldestVersion} or newer`);
  }
  if (!vector) {
    throw new SetupError(
      `the server lacks pgvector; install it there (on Debian: apt-get install postgresql-${major}-pgvector)`,
    );
  }
}

/**
 * Waits for its turn. Roles belong to the whole server, whichever database is prepared, and when two sessions
 * alter a role at the same time Postgres refuses one of them ("tuple concurrently updated").
 */
async function takeTurn(admin: Client, { log }: SetupOptions): Promise<void> {
  const lock = "hashtext('agent_lightning setup')";
  const { rows } = await admin.query<{ taken: boolean }>(`select pg_try_advisory_lock(${lock}) as taken`);
  if (rows[0]?.taken) return;
  log('another setup of this server is running: waiting for it to finish');
  await admin.query(`set lock_timeout = ${limits.statementTimeoutMs}`);
  try {
    await admin.query(`select pg_advisory_lock(${lock})`);
  } catch (error) {
    if (!(error instanceof DatabaseError && error.code === '55P03')) throw error;
    const minutes = limits.statementTimeoutMs / 60_000;
    throw new SetupError(`another setup of this server has been running for ${minutes} minutes`, {
      cause: error,
    });
  }
  await admin.query('reset lock_timeout');
}

async function createDatabase(admin: Client, { databaseName, log }: SetupOptions): Promise<void> {
  const { rowCount } = await admin.query('select from pg_database where datname = $1', [databaseName]);
  if (rowCount) return;
  await admin.query(`create database ${quoteIdentifier(databaseName)} encoding 'UTF8' template template0`);
  log(`database ${databaseName} made`);
}

/** Makes the login unless it exists. Returns the password of a new login, and null for an existing one. */
async function createLogin(
  client: Client,
  name: string,
  attributes: string,
  log: (line: string) => void,
): Promise<string | null> {
  const { rowCount } = await client.query('select from pg_roles where rolname = $1', [name]);
  if (rowCount) {
    log(`login ${name} already exists; its password is unchanged`);
    return null;
  }
  const password = randomBytes(24).toString('base64url');
  await client.query(
    `create role ${quoteIdentifier(name)} login ${attributes} password ${quoteLiteral(password)}`,
  );
  log(`login ${name} made`);
  return password;
}

/**
 * The memberships of the logins. They rest on `inherit false, set true`: a login may switch to the role, and
 * has none of the role's rights until it does.
 */
function membershipsOf({ databaseName, rolePrefix, logins }: SetupOptions): string {
  const role = (name: Parameters<typeof roleName>[1]) => quoteIdentifier(roleName(rolePrefix, name));
  const login = (kind: keyof LoginNames) => quoteIdentifier(logins[kind]);
  const requestRoles = `${role('anon')}, ${role('member')}, ${role('service')}, ${role('admin')}`;
  const database = quoteIdentifier(databaseName);
  return `
    grant ${requestRoles} to ${login('api')} with inherit false, set true;
    grant ${role('owner')} to ${login('migrate')} with inherit false, set true;
    -- The operator runs imports: they are staged in temporary tables, and stored as a tenant's service.
    grant ${role('anon')}, ${role('service')} to ${login('migrate')} with inherit false, set true;
    -- For making analysts' logins: this login may grant the group, but has no use of it itself.
    grant ${role('analyst')} to ${login('migrate')} with admin true, inherit false, set false;
    grant ${role('worker')} to ${login('worker')} with inherit true, set true;
    -- For retention: only the owner of a partitioned table may detach its partitions, and only outside of a
    -- function.
    grant ${role('keeper')} to ${login('worker')} with inherit false, set true;
    grant connect on database ${database} to ${login('api')}, ${login('migrate')}, ${login('worker')}, ${login('backup')};
    grant temporary on database ${database} to ${login('migrate')};
  `;
}

/**
 * Lets drills count and hash every row of every tenant, as the login of backups. That login could read it all
 * anyway: it has REPLICATION, and so every byte. A managed service has no superuser who could grant this, and
 * no physical backups either.
 */
async function letDrillsRead(client: Client, { logins, log }: SetupOptions): Promise<void> {
  const login = quoteIdentifier(logins.backup);
  try {
    await client.query(`
      alter role ${login} bypassrls;
      grant pg_read_all_data, pg_monitor to ${login} with inherit true, set false;
    `);
  } catch (error) {
    if (!(error instanceof DatabaseError && error.code === '42501')) throw error;
    log(`login ${logins.backup} cannot run drills: only a superuser may let it read all tenants`);
  }
}

function owner({ rolePrefix }: SetupOptions): string {
  return quoteIdentifier(roleName(rolePrefix, 'owner'));
}

function withDatabase(url: string, databaseName: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(databaseName)}`;
  return changed.href;
}

function loginUrl(databaseUrl: string, login: string, password: string): string {
  const url = new URL(databaseUrl);
  url.username = encodeURIComponent(login);
  url.password = encodeURIComponent(password);
  return url.href;
}

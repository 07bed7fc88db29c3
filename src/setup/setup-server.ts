import { randomBytes } from 'node:crypto';
import { DatabaseError } from 'pg';
import type { Client, ClientConfig } from 'pg';
import type { ConnectionLimits } from '../db/bounded-client.ts';
import { loginNeeds } from '../db/login-needs.ts';
import type { LoginKind } from '../db/login-needs.ts';
import { boundedClient } from '../db/pool.ts';
import { findLink } from '../db/pooler.ts';
import { roleName } from '../db/roles.ts';
import { scramVerifier } from '../db/scram-verifier.ts';
import { quoteIdentifier, quoteLiteral } from '../db/statement.ts';
import { OperationalError } from '../operational-error.ts';
import { contentProblems, nameProblems, serverProblems } from './check-setup.ts';
import { prepareDatabase } from './prepare-database.ts';
import { retireKeeper } from './retire-keeper.ts';
import type { LoginNames, SetupNames } from './setup-names.ts';

export interface SetupOptions extends SetupNames {
  /** URL of an administrator, connected to any database of the server. */
  readonly adminUrl: string;
  readonly ssl?: ClientConfig['ssl'];
  /** Called for each step, once all of them are done. */
  readonly log: (line: string) => void;
  /**
   * Keeps the URLs where a later process finds them; nothing is made before this resolves. A password is made once, so
   * one that was lost between the two would be lost for good.
   */
  readonly deliver?: (urls: LoginUrls) => Promise<void>;
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
 * Prepares a fresh server: roles, database, extension, and the four logins with random passwords. Looks for everything
 * that could stop it before it makes anything; then makes the database, and the rest in one transaction. So a setup that
 * fails has changed nothing, and one that was killed is run again. Existing objects are kept and completed. Runs at the
 * same time come one after the other: through the same database of `adminUrl` always, through different ones when the
 * administrator is a superuser (sql/roles.sql). Throws SetupError with every reason.
 */
export async function setupServer(options: SetupOptions): Promise<LoginUrls> {
  refuse(nameProblems(options));
  const admin = await connect(options.adminUrl, options.ssl);
  try {
    await refusePooler(admin);
    await takeTurn(admin, options);
    refuse(await serverProblems(admin, options));
    const made = await createDatabase(admin, options);
    try {
      return await completeDatabase(options, made);
    } catch (error) {
      if (made) await dropDatabase(admin, options);
      throw error;
    }
  } finally {
    // The lock ends with the connection.
    await admin.end();
  }
}

function refuse(problems: readonly string[]): void {
  if (problems.length === 0) return;
  throw new SetupError(
    `nothing was changed: ${problems.join('\n  - ').replace(/^/, problems.length > 1 ? '\n  - ' : '')}`,
  );
}

async function completeDatabase(options: SetupOptions, made: boolean): Promise<LoginUrls> {
  const databaseUrl = withDatabase(options.adminUrl, options.databaseName);
  const client = await connect(databaseUrl, options.ssl);
  // Said once it is true.
  const done: string[] = made ? [`database ${options.databaseName} made`] : [];
  try {
    if (!made) refuse(await contentProblems(client, options));
    await client.query('begin');
    const urls = await complete(client, { ...options, log: (line) => done.push(line) }, databaseUrl);
    await options.deliver?.(urls);
    await client.query('commit');
    for (const line of done) options.log(line);
    return urls;
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    throw new SetupError(`nothing was changed: ${error.message}`, { cause: error });
  } finally {
    // A transaction that was not committed ends here.
    await client.end();
  }
}

async function complete(client: Client, options: SetupOptions, databaseUrl: string): Promise<LoginUrls> {
  const { databaseName, rolePrefix, logins, log } = options;
  await prepareDatabase(client, rolePrefix);
  log(`roles ${rolePrefix}_* and extension vector are in place`);
  await client.query(`alter database ${quoteIdentifier(databaseName)} owner to ${owner(options)}`);
  const passwords = {
    api: await createLogin(client, 'api', options),
    migrate: await createLogin(client, 'migrate', options),
    worker: await createLogin(client, 'worker', options),
    backup: await createLogin(client, 'backup', options),
  };
  await client.query(rightsOf(options));
  await giveFunctionsBack(client, options);
  await letLoginsBeLimited(client, options);
  await letReservedConnectionsBeUsed(client, options);
  await letDrillsRead(client, options);
  const retired = await retireKeeper(client, rolePrefix);
  if (retired !== null) log(retired);
  const url = (login: string, password: string | null) => password && loginUrl(databaseUrl, login, password);
  return {
    api: url(logins.api, passwords.api),
    migrate: url(logins.migrate, passwords.migrate),
    worker: url(logins.worker, passwords.worker),
    backup: url(logins.backup, passwords.backup),
  };
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

/** Makes the database unless it exists. It is the one thing that Postgres makes in no transaction. */
async function createDatabase(admin: Client, { databaseName }: SetupOptions): Promise<boolean> {
  const { rowCount } = await admin.query('select from pg_database where datname = $1', [databaseName]);
  if (rowCount) return false;
  try {
    await admin.query(`create database ${quoteIdentifier(databaseName)} encoding 'UTF8' template template0`);
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    throw new SetupError(`nothing was changed: ${error.message}`, { cause: error });
  }
  return true;
}

/** Removes the database that this run made. It is empty, so a next run completes it where this fails. */
async function dropDatabase(admin: Client, { databaseName, log }: SetupOptions): Promise<void> {
  try {
    await admin.query(`drop database if exists ${quoteIdentifier(databaseName)}`);
  } catch {
    log(`the database ${databaseName} was made and could not be removed; it is empty`);
  }
}

/**
 * Makes the login unless it exists; an existing one gets the attributes that it lacks. Returns the password of a new
 * login, and null for an existing one.
 */
async function createLogin(
  client: Client,
  kind: LoginKind,
  { logins, log }: SetupOptions,
): Promise<string | null> {
  const name = logins[kind];
  const { attributes } = loginNeeds[kind];
  const { rows } = await client.query<{ createrole: boolean; replication: boolean }>(
    'select rolsuper or rolcreaterole as createrole, rolsuper or rolreplication as replication from pg_roles where rolname = $1',
    [name],
  );
  const [found] = rows;
  if (found) {
    log(`login ${name} already exists; its password is unchanged`);
    for (const attribute of attributes) {
      if (!found[attribute]) await client.query(`alter role ${quoteIdentifier(name)} ${attribute}`);
    }
    return null;
  }
  const password = randomBytes(24).toString('base64url');
  const inherits = loginNeeds[kind].memberships.some(({ inherit }) => inherit) ? 'inherit' : 'noinherit';
  await client.query(
    `create role ${quoteIdentifier(name)} login ${inherits} ${attributes.join(' ')} password ${quoteLiteral(scramVerifier(password))}`,
  );
  log(`login ${name} made`);
  return password;
}

/** Grants every login its memberships and its rights on the database. */
function rightsOf({ databaseName, rolePrefix, logins }: SetupOptions): string {
  const database = quoteIdentifier(databaseName);
  return (Object.keys(loginNeeds) as LoginKind[])
    .flatMap((kind) => {
      const { memberships, privileges } = loginNeeds[kind];
      const login = quoteIdentifier(logins[kind]);
      return [
        ...memberships.map(
          ({ role, admin, inherit, set }) =>
            `grant ${quoteIdentifier(roleName(rolePrefix, role))} to ${login} with ${admin ? 'admin true, ' : ''}inherit ${inherit}, set ${set};`,
        ),
        `grant ${privileges.join(', ')} on database ${database} to ${login};`,
      ];
    })
    .join('\n');
}

/** Gives the logins what they call of that which sql/database.sql took from PUBLIC, where it could. */
async function giveFunctionsBack(client: Client, { logins, log }: SetupOptions): Promise<void> {
  const { rows } = await client.query<{ superuser: boolean }>(
    'select rolsuper as superuser from pg_roles where rolname = current_user',
  );
  if (!rows[0]?.superuser) {
    log(
      'large objects, advisory locks, pg_notify and statistics stay open to every login: only a superuser may close them',
    );
    return;
  }
  const grants = (Object.keys(loginNeeds) as LoginKind[]).flatMap((kind) =>
    loginNeeds[kind].functions.map(
      (name) => `grant execute on function ${name} to ${quoteIdentifier(logins[kind])};`,
    ),
  );
  await client.query(grants.join('\n'));
}

/** Lets our logins have the connections that `reserved_connections` keeps from everybody else. */
async function letReservedConnectionsBeUsed(client: Client, { logins, log }: SetupOptions): Promise<void> {
  await client.query('savepoint reserved');
  try {
    await client.query(
      `grant pg_use_reserved_connections to ${Object.values(logins).map(quoteIdentifier).join(', ')} with inherit true, set false`,
    );
  } catch (error) {
    if (!(error instanceof DatabaseError && error.code === '42501')) throw error;
    await client.query('rollback to savepoint reserved');
    log('the logins may not use reserved_connections: only a superuser may let them');
  }
}

/** Lets the login of migrations limit the temporary files of analysts' logins, which they cannot do to themselves. */
async function letLoginsBeLimited(client: Client, { logins, log }: SetupOptions): Promise<void> {
  for (const kind of Object.keys(loginNeeds) as LoginKind[]) {
    for (const parameter of loginNeeds[kind].parameters) {
      const login = quoteIdentifier(logins[kind]);
      await client.query('savepoint parameter');
      try {
        await client.query(`grant set on parameter ${parameter} to ${login}`);
      } catch (error) {
        if (!(error instanceof DatabaseError && error.code === '42501')) throw error;
        await client.query('rollback to savepoint parameter');
        log(`analysts' logins get no ${parameter}: only a superuser may let ${logins[kind]} set it`);
      }
    }
  }
}

/**
 * Lets drills count and hash every row of every tenant, as the login of backups. That login could read it all
 * anyway: it has REPLICATION, and so every byte. A managed service has no superuser who could grant this, and
 * no physical backups either.
 */
async function letDrillsRead(client: Client, { logins, log }: SetupOptions): Promise<void> {
  const login = quoteIdentifier(logins.backup);
  await client.query('savepoint drills');
  try {
    await client.query(`
      alter role ${login} bypassrls;
      grant pg_read_all_data, pg_monitor to ${login} with inherit true, set false;
    `);
  } catch (error) {
    if (!(error instanceof DatabaseError && error.code === '42501')) throw error;
    await client.query('rollback to savepoint drills');
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

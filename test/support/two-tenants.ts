import { Client, escapeIdentifier } from 'pg';
import { anonymous, claimsOf } from '../../src/auth/claims.ts';
import type { RequestRole } from '../../src/auth/claims.ts';
import type { Database, Transaction, TransactionSettings } from '../../src/db/database.ts';
import { roleName } from '../../src/db/roles.ts';
import { requesterSettings, asRequester } from '../../src/auth/requester.ts';
import { sql } from '../../src/db/statement.ts';
import { accessEntries } from './access-entries.ts';
import { migratedDatabase } from './db.ts';
import type { MigratedDatabase } from './db.ts';
import { testRolePrefix } from './logins.ts';
import { serverDatabase } from './server-database.ts';
import { actorNames, other, own, suspended } from './tenants.ts';
import type { ActorName } from './tenants.ts';
import { installationIn } from './installation.ts';

export { other, own, suspended } from './tenants.ts';
export type { ActorName } from './tenants.ts';

/** A party that uses the database, by the way it connects: a plain login, and the settings of its transactions. */
export interface Actor {
  readonly name: ActorName;
  readonly tenant: string;
  readonly database: Database;
  readonly settings: TransactionSettings;
}

/**
 * Whether the actor is the owner of all objects, which nobody logs in as: with no tenant, or as a definer function with
 * one.
 */
export function isOwner({ name }: Actor): boolean {
  return name === 'owner' || name === 'definer';
}

/** A migrated database with data of several tenants, and every actor that may use it. `close` it. */
export interface TwoTenants {
  readonly database: MigratedDatabase;
  /** A superuser, which arranges and counts, and proves nothing. */
  readonly admin: Client;
  readonly actors: readonly Actor[];
  actor(name: ActorName): Actor;
  /** URL of a login made for this database: `analyst`, `service_login`, `unbound`, `suspended` or `operator`. */
  loginUrl(name: string): string;
  close(): Promise<void>;
}

/**
 * Creates three tenants with rows in every table, and a connection for every actor. Prints who each connection is, and
 * throws unless it is a plain login: a limit on what a superuser sees would prove nothing.
 */
export async function twoTenants(): Promise<TwoTenants> {
  const database = await migratedDatabase();
  const admin = new Client({ connectionString: database.adminUrl });
  await admin.connect();
  const api = serverDatabase(database.urls.api);
  const migrate = serverDatabase(database.urls.migrate);
  await fillTables(admin, api);
  // The audit trail gets a truncation, for actors that may read it.
  await admin.query(`truncate ${await somePartition(admin, 'app_public.metrics', 'last')}`);

  const suffix = new URL(database.url).pathname.slice(-6);
  const logins = await makeLogins(migrate, admin, suffix);
  const loginUrl = (name: string) =>
    Object.assign(new URL(database.url), { username: `test_${name}_${suffix}`, password: loginPassword })
      .href;
  const direct = Object.fromEntries(
    ['analyst', 'service_login', 'unbound', 'suspended', 'operator'].map((name) => [
      name,
      serverDatabase(loginUrl(name)),
    ]),
  );
  const definer = serverDatabase(loginUrl('definer'));
  const worker = serverDatabase(database.urls.worker);

  const make = (name: ActorName): Actor => {
    const plain = (connected: Database | undefined, tenant = own): Actor => {
      if (!connected) throw new Error(`no connection for ${name}`);
      return { name, tenant, database: connected, settings: {} };
    };
    switch (name) {
      case 'anon':
      case 'member':
      case 'service':
      case 'admin':
        return { name, tenant: own, database: api, settings: settingsOf(name, own) };
      case 'service login':
        return plain(direct['service_login']);
      case 'analyst':
      case 'unbound':
      case 'operator':
        return plain(direct[name]);
      case 'suspended':
        return plain(direct[name], suspended);
      case 'worker':
        // A setting that a worker may make as it likes.
        return { ...plain(worker), settings: { 'app.retention_tenant_id': own } };
      case 'jobs':
        // The settings of ops.expire_tenant_rows.
        return {
          ...plain(migrate),
          settings: { role: roleName(testRolePrefix, name), 'app.retention_tenant_id': own },
        };
      case 'api':
        return plain(api);
      case 'migrate':
        return plain(migrate);
      case 'owner':
      case 'search':
        return { ...plain(migrate), settings: { role: roleName(testRolePrefix, name) } };
      case 'definer':
        return { ...plain(definer), settings: { role: roleName(testRolePrefix, 'owner') } };
    }
  };
  const actors = actorNames.map(make);
  for (const actor of actors) await assertPlainLogin(actor);

  return {
    database,
    admin,
    actors,
    actor: (name) => {
      const found = actors.find((actor) => actor.name === name);
      if (!found) throw new Error(`no actor ${name}`);
      return found;
    },
    loginUrl,
    close: async () => {
      for (const made of [api, migrate, definer, worker, ...Object.values(direct)]) await made.close();
      for (const login of logins) await dropLogin(admin, login);
      await admin.end();
      await database.drop();
    },
  };
}

/** The settings of a request with this role and tenant, as the API makes them; the subject is `<role>@<tenant>`. */
export function settingsOf(role: RequestRole, tenant: string): TransactionSettings {
  const claims = role === 'anon' ? anonymous : claimsOf(role, tenant, `${role}@${tenant}`);
  return requesterSettings(claims, { rolePrefix: testRolePrefix, requestId: `request of ${role}` });
}

/** The first or last of all partitions of a table, with its schema. */
export async function somePartition(
  admin: Client,
  parent: string,
  which: 'first' | 'last' = 'first',
): Promise<string> {
  const names = await partitionsOf(admin, parent);
  const name = which === 'first' ? names[0] : names.at(-1);
  if (!name) throw new Error(`${parent} has no partitions`);
  return name;
}

/** The names of all partitions of a table, with their schema, in order. */
export async function partitionsOf(admin: Client, parent: string): Promise<string[]> {
  const { rows } = await admin.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name
     from pg_inherits i
     join pg_class c on c.oid = i.inhrelid
     join pg_namespace n on n.oid = c.relnamespace
     where i.inhparent = $1::regclass order by c.relname`,
    [parent],
  );
  return rows.map((row) => row.name);
}

/** Runs `work` as the actor, and rolls all of it back. */
export async function tryAs<T>(
  actor: Pick<Actor, 'database' | 'settings'>,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const undo = new Error('undone on purpose');
  let result: { readonly value: T } | undefined;
  try {
    await actor.database.transaction(actor.settings, async (transaction) => {
      result = { value: await work(transaction) };
      throw undo;
    });
  } catch (error) {
    if (error !== undo) throw error;
  }
  if (!result) throw new Error('the work did not run');
  return result.value;
}

/** The password of the logins that tests create: the server listens on loopback and is removed with the run. */
const loginPassword = 'a-password-for-tests';

/**
 * Creates the three tenants, with rows in every table that the database has: a service inserts what services write, a
 * superuser the rest. The third is suspended.
 */
export async function fillTables(admin: Client, api: Database): Promise<void> {
  const { rows } = await admin.query<{ name: string }>(
    'select n.name from unnest($1::text[]) n(name) where to_regclass(n.name) is not null',
    [accessEntries.map(({ name }) => name)],
  );
  const present = new Set(rows.map(({ name }) => name));
  const filled = accessEntries.filter(({ name, fill }) => fill !== undefined && present.has(name));
  for (const tenant of [own, other, suspended]) {
    await admin.query('select ops.create_tenant($1, $1)', [tenant]);
    await fillTenant(api, tenant);
    for (const { fill = '', tenants } of filled) if (tenants === undefined) await admin.query(fill, [tenant]);
  }
  await admin.query('select ops.set_tenant_suspended($1, true)', [suspended]);
  for (const { fill = '', tenants } of filled) if (tenants !== undefined) await admin.query(fill);
}

/** Inserts two agents, one with an id that both tenants use, and rows of everything else. */
async function fillTenant(api: Database, tenant: string): Promise<void> {
  const session = asRequester(installationIn(api), claimsOf('service', tenant, 'setup'));
  await session.transaction(async (t) => {
    await t.query(sql`insert into agents (id, name, model) values ('shared', 'Shared', 'gpt-4o')`);
    await t.query(sql`insert into agents (id, name, model) values (${`only_${tenant}`}, 'Own', 'gpt-4o')`);
    await t.query(sql`insert into tasks (agent_id, description) values ('shared', 'one'), (null, 'two')`);
    await t.query(sql`insert into knowledge (id, agent_id, content) values ('shared', 'shared', 'known')`);
    await t.query(sql`insert into workflows (name) values ('flow')`);
    await t.query(sql`
      insert into sessions (user_id, token, expires_at)
      values ('user', encode(sha256(${tenant}::bytea), 'hex'), now() + interval '1 hour')`);
    await t.query(
      sql`insert into metrics (service_name, metric_name, value) values ('s', 'm', 1), ('s', 'm', 2)`,
    );
  });
}

/**
 * Creates logins as `lightning login create` does, through the migrations login: the analysts', a service's, an operator's, and one
 * without a tenant.
 */
async function makeLogins(migrate: Database, admin: Client, suffix: string): Promise<string[]> {
  const analyst = roleName(testRolePrefix, 'analyst');
  const bound = { analyst: own, service_login: own, unbound: null, suspended };
  const made: string[] = [];
  for (const [name, tenant] of Object.entries(bound)) {
    const login = `test_${name}_${suffix}`;
    await migrate.query({ text: `create role ${login} login noinherit password '${loginPassword}'` });
    const group = name === 'service_login' ? roleName(testRolePrefix, 'service') : analyst;
    await migrate.query({ text: `grant ${group} to ${login} with inherit true, set false` });
    if (tenant) {
      await migrate.queryWith(
        { role: roleName(testRolePrefix, 'owner') },
        sql`select ops.bind_login(${login}, ${tenant})`,
      );
    }
    made.push(login);
  }
  const operator = `test_operator_${suffix}`;
  await admin.query(`create role ${operator} login password '${loginPassword}'`);
  await admin.query(
    `grant ${roleName(testRolePrefix, 'operator')} to ${operator} with inherit true, set false`,
  );
  // The identity of a definer function that a tenant's request calls: the owner, with a tenant.
  const definer = `test_definer_${suffix}`;
  await admin.query(`create role ${definer} login password '${loginPassword}'`);
  await admin.query(`grant ${roleName(testRolePrefix, 'owner')} to ${definer} with inherit false, set true`);
  // This role lets it connect.
  await admin.query(`grant ${analyst} to ${definer} with inherit true, set false`);
  await admin.query('insert into app_private.tenant_logins (login, tenant_id) values ($1, $2)', [
    definer,
    own,
  ]);
  return [...made, operator, definer];
}

async function dropLogin(admin: Client, login: string): Promise<void> {
  await admin.query(`drop role if exists ${escapeIdentifier(login)}`);
}

async function assertPlainLogin({ name, database, settings }: Actor): Promise<void> {
  const { rows } = await database.queryWith<{
    session_user: string;
    current_user: string;
    rolsuper: boolean;
    rolbypassrls: boolean;
  }>(
    settings,
    sql`select session_user, current_user, bool_or(r.rolsuper) as rolsuper, bool_or(r.rolbypassrls) as rolbypassrls
        from pg_catalog.pg_roles r where r.rolname in (session_user, current_user)`,
  );
  const who = rows[0];
  console.log(`${name}:`, JSON.stringify(who));
  if (!who || who.rolsuper || who.rolbypassrls || who.session_user.startsWith(`${testRolePrefix}_`)) {
    throw new Error(`${name} does not come as a plain login: ${JSON.stringify(who)}`);
  }
}

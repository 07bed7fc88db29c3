import { randomBytes } from 'node:crypto';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { Database, Executor } from '../db/database.ts';
import { asOwner } from '../db/installation.ts';
import type { Installation } from '../db/installation.ts';
import { roleName } from '../db/roles.ts';
import { scramVerifier } from '../db/scram-verifier.ts';
import { quoteIdentifier, quoteLiteral, sql } from '../db/statement.ts';
import type { CommandContext } from './command-context.ts';
import { explain } from './explain.ts';
import { asOperator } from './database-access.ts';
import { warnOfExposure } from './exposed-output.ts';
import { printListing, withJson } from './listing.ts';
import type { ListingFlags } from './listing.ts';
import {
  limitLogin,
  limitLogins,
  limitsOf,
  listLogins,
  warnOfUnlimitedFiles,
  withLimits,
} from './login-limits.ts';
import type { LimitedLogin, LimitFlags, LoginLimits, LoginRole } from './login-limits.ts';
import { UsageError } from './usage-error.ts';

/** What a login is for. Left out: an analyst's. */
export interface LoginKind {
  readonly role?: LoginRole;
  /** The schema whose tables a service finds first. Left out: it finds those of app_public. */
  readonly schema?: 'legacy' | undefined;
}

/** What a new login of a service may use at most where nothing else is said: pools of an ORM keep idle connections. */
const limitsOfServices: LoginLimits = { connections: 20, idleSeconds: 86_400 };

/**
 * Makes a login that sees one tenant: an analyst's, or a service's, which has the rights of a service's token. Returns its
 * password, which is stored nowhere else. The role and its binding are made in one transaction, so a login without a tenant never
 * exists.
 */
export async function createLogin(
  { database, rolePrefix }: Installation,
  name: string,
  tenantId: string,
  limits: LoginLimits = {},
  { role = 'analyst', schema }: LoginKind = {},
): Promise<string> {
  refuseEmbedded(database);
  refuseOddName(name);
  const password = newPassword();
  const owner = quoteIdentifier(roleName(rolePrefix, 'owner'));
  await database.transaction({}, async (transaction) => {
    await transaction.query({
      text: `create role ${quoteIdentifier(name)} login inherit password ${quoteLiteral(scramVerifier(password))}`,
    });
    // The login has the group's rights, but cannot become the group.
    await transaction.query({
      text: `grant ${quoteIdentifier(roleName(rolePrefix, role))} to ${quoteIdentifier(name)} with inherit true, set false`,
    });
    await transaction.query({ text: `set local role ${owner}` });
    await transaction.query(sql`select ops.bind_login(${name}, ${tenantId})`);
    await transaction.query({ text: 'reset role' });
    await limitLogin(transaction, rolePrefix, name, {
      ...(role === 'service' ? limitsOfServices : {}),
      ...limits,
    });
    if (schema !== undefined) await findFirst(transaction, name, schema);
  });
  return password;
}

/** Lets a login find the tables of a schema before those of app_public. */
async function findFirst(executor: Executor, name: string, schema: 'legacy'): Promise<void> {
  const settings = [
    ['search_path', `${schema}, app_public, public`],
    // Its programs write times without a zone, and mean UTC.
    ['timezone', `'UTC'`],
  ] as const;
  for (const [setting, value] of settings)
    await executor.query({ text: `alter role ${quoteIdentifier(name)} set ${setting} to ${value}` });
}

/** Gives a login a new password and returns it, and puts its limits on its role anew. Open connections stay open. */
export async function rotateLogin(installation: Installation, name: string): Promise<string> {
  refuseEmbedded(installation.database);
  await refuseForeignLogin(installation, name);
  const password = newPassword();
  const { database, rolePrefix } = installation;
  await database.transaction({}, async (transaction) => {
    await transaction.query({
      text: `alter role ${quoteIdentifier(name)} password ${quoteLiteral(scramVerifier(password))}`,
    });
    // Roles belong to the server, where no trigger sees the change. The binding to a tenant is audited by itself.
    await transaction.query({ text: `set local role ${quoteIdentifier(roleName(rolePrefix, 'owner'))}` });
    await transaction.query(sql`
      select audit.record_event('rotate login', ${name}, (select t.id from ops.tenants t where ${name} = any (t.logins)))`);
  });
  await limitLogins(installation, name, {});
  return password;
}

/** Unbinds a login from its tenant and removes it. */
export async function dropLogin(installation: Installation, name: string): Promise<void> {
  refuseEmbedded(installation.database);
  await refuseForeignLogin(installation, name);
  const { database, rolePrefix } = installation;
  await database.transaction({}, async (transaction) => {
    await transaction.query({ text: `set local role ${quoteIdentifier(roleName(rolePrefix, 'owner'))}` });
    await transaction.query(sql`select ops.unbind_login(${name})`);
    await transaction.query({ text: 'reset role' });
    await transaction.query({ text: `drop role ${quoteIdentifier(name)}` });
  });
}

function newPassword(): string {
  return randomBytes(24).toString('base64url');
}

function refuseEmbedded(database: Database): void {
  if (database.kind === 'embedded') {
    throw new UsageError(
      'the embedded database has no logins: anyone who can open its socket is its superuser. Use a server to have logins',
    );
  }
}

/** Postgres would accept any name; a shell, a URL and a person would not. */
function refuseOddName(name: string): void {
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(name)) {
    throw new UsageError(
      `login ${JSON.stringify(name)}: expected lower case letters, digits and _, beginning with a letter, 63 at most`,
    );
  }
}

/** Refuses to change the API's login and others that do not belong to a tenant. */
async function refuseForeignLogin(installation: Installation, name: string): Promise<void> {
  const { rows } = await asOwner(installation).query(
    sql`select from ops.tenants where ${name} = any (logins)`,
  );
  if (rows.length === 0) {
    throw new UsageError(
      `login ${name} does not belong to a tenant; to list those that do: lightning tenant list`,
    );
  }
}

interface CreateFlags extends LimitFlags {
  readonly tenant: string;
  readonly role: LoginRole;
  readonly schema?: 'legacy';
}

/** `lightning login` */
export function addLogin(program: Command, context: CommandContext): void {
  const { print } = context;
  const login = explain(program.command('login'), {
    variables: ['DATABASE_URL', 'MIGRATE_DATABASE_URL'],
    examples: [['lightning login create ann --tenant acme', 'an analyst of one tenant']],
  }).description("manage tenants' own logins to the database");
  explain(withLimits(login.command('create <name>')), {
    variables: ['DATABASE_URL', 'MIGRATE_DATABASE_URL'],
    examples: [
      ['lightning login create ann --tenant acme', 'prints the password of ann once'],
      ['lightning login create planner --tenant acme --role service', 'for a program that writes by SQL'],
    ],
  })
    .description('make a login that sees one tenant, and print its password once')
    .requiredOption('--tenant <id>', 'the tenant that it sees')
    .addOption(
      new Option('--role <role>', 'analyst: reads by SQL; service: reads and writes by SQL')
        .choices(['analyst', 'service'])
        .default('analyst'),
    )
    .addOption(
      new Option(
        '--schema <schema>',
        'legacy: a service finds the tables of the legacy system first (docs/legacy.md)',
      ).choices(['legacy']),
    )
    .action((name: string, { tenant, role, schema, ...flags }: CreateFlags) =>
      asOperator(context, 'change', async (installation) => {
        if (schema !== undefined && role !== 'service')
          throw new UsageError('--schema legacy is for services, which write there: add --role service');
        warnOfExposure(context, 'a password');
        print(await createLogin(installation, name, tenant, limitsOf(flags), { role, schema }));
        await warnOfUnlimitedFiles(installation, context.log);
      }),
    );
  addLimits(login, context);
  explain(login.command('rotate <name>'), {
    variables: ['DATABASE_URL', 'MIGRATE_DATABASE_URL'],
    examples: [['lightning login rotate ann', 'prints the new password of ann once']],
  })
    .description('give a login a new password, and print it once')
    .action((name: string) =>
      asOperator(context, 'change', async (installation) => {
        warnOfExposure(context, 'a password');
        print(await rotateLogin(installation, name));
        await warnOfUnlimitedFiles(installation, context.log);
      }),
    );
  explain(login.command('drop <name>'), {
    variables: ['DATABASE_URL', 'MIGRATE_DATABASE_URL'],
    examples: [['lightning login drop ann', 'ann cannot connect any longer']],
  })
    .description('remove a login')
    .action((name: string) =>
      asOperator(context, 'change', async (installation) => {
        await dropLogin(installation, name);
        print(`login ${name} was removed`);
      }),
    );
}

function addLimits(login: Command, context: CommandContext): void {
  const { print } = context;
  const variables = ['DATABASE_URL', 'MIGRATE_DATABASE_URL'] as const;
  explain(withLimits(login.command('limit [name]')), {
    variables,
    examples: [
      ['lightning login limit', 'every login gets the limits that are noted for it'],
      ['lightning login limit ann --connections 10 --statement 300', 'more for ann'],
    ],
  })
    .description('change what a login may use at most, or put its limits on every login')
    .action((name: string | undefined, flags: LimitFlags) =>
      asOperator(context, 'change', async (installation) => {
        const limited = await limitLogins(installation, name ?? null, limitsOf(flags));
        print(limited.length === 0 ? 'there are no logins' : `limited: ${limited.join(', ')}`);
        if (limited.length > 0) await warnOfUnlimitedFiles(installation, context.log);
      }),
    );
  explain(withJson(login.command('list')), {
    variables,
    examples: [['lightning login list --json', 'all logins of tenants with their limits, for a program']],
  })
    .description('list the logins of tenants with what they may use at most')
    .action((flags: ListingFlags) =>
      asOperator(context, 'look', async (installation) => {
        const rows = await listLogins(installation);
        printListing(context, flags, { rows, line: formatLogin, none: 'there are no logins' });
      }),
    );
}

/** A login as a line of columns. */
function formatLogin(login: LimitedLogin): string {
  return [
    login.login,
    login.tenant_id,
    login.role,
    `${login.connections} connections`,
    `statement ${login.statement_seconds} s`,
    `transaction ${login.transaction_seconds} s`,
    `idle in transaction ${login.idle_in_transaction_seconds} s`,
    `idle ${login.idle_seconds} s`,
    login.limited ? 'limited' : 'not limited on the server',
  ].join('\t');
}

import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import type { Database } from '../db/database.ts';
import { roleName } from '../db/roles.ts';
import { quoteIdentifier, quoteLiteral, sql } from '../db/statement.ts';
import type { CommandContext } from './command-context.ts';
import { asOperator } from './database-access.ts';
import { UsageError } from './usage-error.ts';

/**
 * Makes an analyst's login that sees one tenant. Returns its password, which is stored nowhere else. The role
 * and its binding are made in one transaction, so a login without a tenant never exists.
 */
export async function createLogin(
  database: Database,
  rolePrefix: string,
  name: string,
  tenantId: string,
): Promise<string> {
  refuseEmbedded(database);
  refuseOddName(name);
  const password = newPassword();
  const owner = quoteIdentifier(roleName(rolePrefix, 'owner'));
  await database.transaction({}, async (transaction) => {
    await transaction.query({
      text: `create role ${quoteIdentifier(name)} login inherit password ${quoteLiteral(password)}`,
    });
    // The login has the group's rights, but cannot become the group.
    await transaction.query({
      text: `grant ${quoteIdentifier(roleName(rolePrefix, 'analyst'))} to ${quoteIdentifier(name)} with inherit true, set false`,
    });
    await transaction.query({ text: `set local role ${owner}` });
    await transaction.query(sql`select ops.bind_login(${name}, ${tenantId})`);
  });
  return password;
}

/** Gives a login a new password and returns it. Open connections stay open. */
export async function rotateLogin(database: Database, rolePrefix: string, name: string): Promise<string> {
  refuseEmbedded(database);
  await refuseForeignLogin(database, rolePrefix, name);
  const password = newPassword();
  await database.query({ text: `alter role ${quoteIdentifier(name)} password ${quoteLiteral(password)}` });
  return password;
}

/** Unbinds a login from its tenant and removes it. */
export async function dropLogin(database: Database, rolePrefix: string, name: string): Promise<void> {
  refuseEmbedded(database);
  await refuseForeignLogin(database, rolePrefix, name);
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
async function refuseForeignLogin(database: Database, rolePrefix: string, name: string): Promise<void> {
  const { rows } = await database.transaction({ role: roleName(rolePrefix, 'owner') }, (owner) =>
    owner.query(sql`select from ops.tenants where ${name} = any (logins)`),
  );
  if (rows.length === 0) {
    throw new UsageError(
      `login ${name} does not belong to a tenant; to list those that do: lightning tenant list`,
    );
  }
}

/** `lightning login` */
export function addLogin(program: Command, context: CommandContext): void {
  const { print } = context;
  const login = program.command('login').description("manage analysts' own logins to the database");
  login
    .command('create <name>')
    .description('make a login that sees one tenant, and print its password once')
    .requiredOption('--tenant <id>', 'the tenant that it sees')
    .action((name: string, { tenant }: { tenant: string }) =>
      asOperator(context, 'change', async ({ database, config }) =>
        print(await createLogin(database, config.rolePrefix, name, tenant)),
      ),
    );
  login
    .command('rotate <name>')
    .description('give a login a new password, and print it once')
    .action((name: string) =>
      asOperator(context, 'change', async ({ database, config }) =>
        print(await rotateLogin(database, config.rolePrefix, name)),
      ),
    );
  login
    .command('drop <name>')
    .description('remove a login')
    .action((name: string) =>
      asOperator(context, 'change', async ({ database, config }) => {
        await dropLogin(database, config.rolePrefix, name);
        print(`login ${name} was removed`);
      }),
    );
}

import type { Command } from 'commander';
import type { Database, Executor } from '../db/database.ts';
import { roleName } from '../db/roles.ts';
import { sql } from '../db/statement.ts';
import type { CommandContext } from './command-context.ts';
import { asOperator } from './database-access.ts';

/** A tenant as operators see it. */
export interface Tenant {
  readonly id: string;
  readonly name: string;
  readonly suspended_at: Date | null;
  readonly created_at: Date;
  /** The tenant's own logins, ordered by name. */
  readonly logins: readonly string[];
}

/** Makes a tenant. Repeating the same id and name is not an error. */
export async function createTenant(
  database: Database,
  rolePrefix: string,
  id: string,
  name: string,
): Promise<void> {
  await asOwner(database, rolePrefix, (owner) => owner.query(sql`select ops.create_tenant(${id}, ${name})`));
}

/** All tenants, ordered by id. */
export async function listTenants(database: Database, rolePrefix: string): Promise<Tenant[]> {
  const { rows } = await asOwner(database, rolePrefix, (owner) =>
    owner.query<Tenant>(sql`select * from ops.tenants order by id`),
  );
  return rows;
}

/** Suspends a tenant, or lets it in again. */
export async function setTenantSuspended(
  database: Database,
  rolePrefix: string,
  id: string,
  suspended: boolean,
): Promise<void> {
  await asOwner(database, rolePrefix, (owner) =>
    owner.query(sql`select ops.set_tenant_suspended(${id}, ${suspended})`),
  );
}

function asOwner<T>(
  database: Database,
  rolePrefix: string,
  work: (owner: Executor) => Promise<T>,
): Promise<T> {
  return database.transaction({ role: roleName(rolePrefix, 'owner') }, work);
}

/** `lightning tenant` */
export function addTenant(program: Command, context: CommandContext): void {
  const { print } = context;
  const tenant = program.command('tenant').description('manage tenants');
  tenant
    .command('create <id>')
    .description('make a tenant')
    .option('--name <name>', 'the name to show; by default the id')
    .action((id: string, flags: { name?: string }) =>
      asOperator(context, 'make', async ({ database, config }) => {
        await createTenant(database, config.rolePrefix, id, flags.name ?? id);
        print(`tenant ${id} exists`);
      }),
    );
  tenant
    .command('list')
    .description('list all tenants with their logins')
    .action(() =>
      asOperator(context, 'look', async ({ database, config }) => {
        for (const found of await listTenants(database, config.rolePrefix)) print(formatTenant(found));
      }),
    );
  for (const [verb, suspended] of [
    ['suspend', true],
    ['resume', false],
  ] as const) {
    tenant
      .command(`${verb} <id>`)
      .description(suspended ? 'lock a tenant out and keep its data' : 'let a tenant in again')
      .action((id: string) =>
        asOperator(context, 'change', async ({ database, config }) => {
          await setTenantSuspended(database, config.rolePrefix, id, suspended);
          print(`tenant ${id} is ${suspended ? 'suspended' : 'active'}`);
        }),
      );
  }
}

/** A tenant as a line of columns. */
function formatTenant({ id, name, suspended_at: suspendedAt, logins }: Tenant): string {
  const state = suspendedAt === null ? 'active' : `suspended ${suspendedAt.toISOString()}`;
  return [id, name, state, logins.join(',')].join('\t');
}

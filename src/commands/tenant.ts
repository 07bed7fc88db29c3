import type { Command } from 'commander';
import { asOwner } from '../db/installation.ts';
import type { Installation } from '../db/installation.ts';
import { sql } from '../db/statement.ts';
import type { CommandContext } from './command-context.ts';
import { addDeleteTenant } from './delete-tenant.ts';
import { databaseVariables, explain } from './explain.ts';
import { asOperator } from './database-access.ts';
import { printListing, withJson } from './listing.ts';
import type { ListingFlags } from './listing.ts';

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
export async function createTenant(installation: Installation, id: string, name: string): Promise<void> {
  await asOwner(installation).query(sql`select ops.create_tenant(${id}, ${name})`);
}

/** All tenants, ordered by id. */
export async function listTenants(installation: Installation): Promise<Tenant[]> {
  const { rows } = await asOwner(installation).query<Tenant>(sql`
    select id, name, suspended_at, created_at, logins from ops.tenants order by id`);
  return rows;
}

/** Suspends a tenant, or lets it in again. */
export async function setTenantSuspended(
  installation: Installation,
  id: string,
  suspended: boolean,
): Promise<void> {
  await asOwner(installation).query(sql`select ops.set_tenant_suspended(${id}, ${suspended})`);
}

/** `lightning tenant` */
export function addTenant(program: Command, context: CommandContext): void {
  const { print } = context;
  const variables = [...databaseVariables, 'MIGRATE_DATABASE_URL'] as const;
  const tenant = explain(program.command('tenant'), {
    variables,
    examples: [['lightning tenant list', 'all tenants with their logins']],
  }).description('manage tenants');
  explain(tenant.command('create <id>'), {
    variables,
    examples: [['lightning tenant create acme --name "Acme, Inc."', 'once more does no harm']],
  })
    .description('make a tenant')
    .option('--name <name>', 'the name to show (default: the id)')
    .action((id: string, flags: { name?: string }) =>
      asOperator(context, 'make', async (installation) => {
        await createTenant(installation, id, flags.name ?? id);
        print(`tenant ${id} exists`);
      }),
    );
  explain(withJson(tenant.command('list')), {
    variables,
    examples: [['lightning tenant list --json', 'all tenants, for a program']],
  })
    .description('list all tenants with their logins')
    .action((flags: ListingFlags) =>
      asOperator(context, 'look', async (installation) => {
        const rows = await listTenants(installation);
        printListing(context, flags, { rows, line: formatTenant, none: 'there are no tenants' });
      }),
    );
  for (const [verb, suspended] of [
    ['suspend', true],
    ['resume', false],
  ] as const) {
    explain(tenant.command(`${verb} <id>`), {
      variables,
      examples: [
        [
          `lightning tenant ${verb} acme`,
          suspended ? 'its requests are refused' : 'its requests are answered',
        ],
      ],
    })
      .description(suspended ? 'lock a tenant out and keep its data' : 'let a tenant in again')
      .action((id: string) =>
        asOperator(context, 'change', async (installation) => {
          await setTenantSuspended(installation, id, suspended);
          print(`tenant ${id} is ${suspended ? 'suspended' : 'active'}`);
        }),
      );
  }
  addDeleteTenant(tenant, context);
}

/** A tenant as a line of columns. */
function formatTenant({ id, name, suspended_at: suspendedAt, logins }: Tenant): string {
  const state = suspendedAt === null ? 'active' : `suspended ${suspendedAt.toISOString()}`;
  return [id, name, state, logins.join(',')].join('\t');
}

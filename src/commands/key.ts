import type { Command } from 'commander';
import { asOwner } from '../db/installation.ts';
import type { Installation } from '../db/installation.ts';
import { sql } from '../db/statement.ts';
import type { CommandContext } from './command-context.ts';
import { asOperator } from './database-access.ts';
import { databaseVariables, explain } from './explain.ts';
import { printListing, withJson } from './listing.ts';
import type { ListingFlags } from './listing.ts';
import { parseLifetime, parseRole, tenantFor } from './token.ts';
import { UsageError } from './usage-error.ts';

/** The flags of `lightning key create`, as they were typed. */
export interface KeyFlags {
  /** Left out: `default`, or none for an operator. */
  readonly tenant?: string;
  readonly role: string;
  /** A duration such as `30m`, `12h`, `90d`, or `never`. */
  readonly expires: string;
}

/** An API key as it is listed; the key itself is stored nowhere. */
export interface ApiKey {
  readonly id: string;
  /** Null: an operator's. */
  readonly tenant_id: string | null;
  readonly name: string;
  readonly role: string;
  readonly created_by: string;
  readonly created_at: Date;
  readonly expires_at: Date | null;
  readonly last_used_at: Date | null;
}

/** Makes a key and returns it, which nobody can do again. Throws UsageError for flags that do not fit. */
export async function createKey(installation: Installation, name: string, flags: KeyFlags): Promise<string> {
  const role = parseRole(flags.role);
  if (role === 'anon')
    throw new UsageError('--role is "anon"; a request without any key has that role already');
  const tenant = tenantFor(role, flags.tenant);
  const seconds = parseLifetime(flags.expires);
  const { rows } = await asOwner(installation).query<{ token: string }>(sql`
    select token from ops.create_api_key(${tenant}, ${name}, ${role}, ${seconds}::double precision * interval '1 second')`);
  const [made] = rows;
  if (made === undefined) throw new Error('ops.create_api_key returned no row');
  return made.token;
}

/** The keys of a tenant, or of everybody when it is left out, oldest first. */
export async function listKeys(installation: Installation, tenant?: string): Promise<ApiKey[]> {
  const { rows } = await asOwner(installation).query<ApiKey>(sql`
    select id, tenant_id, name, role, created_by, created_at, expires_at, last_used_at
    from app_private.api_keys
    where ${tenant ?? null}::text is null or tenant_id = ${tenant ?? null}
    order by created_at, id`);
  return rows;
}

/** Ends a key. Throws UsageError when there is none of this id. */
export async function revokeKey(installation: Installation, id: string): Promise<void> {
  // Somebody who has the whole key at hand may pass it: the id is what stands in its middle.
  const named = /^ltk_([0-9a-f]{12})_/.exec(id)?.[1] ?? id;
  const { rows } = await asOwner(installation).query<{ revoked: boolean }>(
    sql`select ops.revoke_api_key(${named}) as revoked`,
  );
  if (rows[0]?.revoked !== true) {
    throw new UsageError(`there is no key ${named}; to list them: lightning key list`);
  }
}

/** `lightning key` */
export function addKey(program: Command, context: CommandContext): void {
  const { print } = context;
  const variables = [...databaseVariables, 'MIGRATE_DATABASE_URL'] as const;
  const key = explain(program.command('key'), {
    variables,
    examples: [['lightning key create importer --tenant acme', 'prints the key once']],
  }).description('manage API keys of services');
  explain(key.command('create <name>'), {
    variables,
    examples: [
      ['lightning key create importer --tenant acme --expires 30d', 'for a service of a tenant'],
      ['lightning key create dashboard --role operator', 'for the ops views of all tenants'],
    ],
  })
    .description('make a key for a service, and print it once')
    .option('--tenant <id>', 'the tenant (default: default; none for an operator)')
    .option('--role <role>', 'member, service, admin or operator', 'service')
    .option('--expires <duration>', 'a duration such as 30m, 12h or 90d, or never', '90d')
    .action((name: string, flags: KeyFlags) =>
      asOperator(context, 'make', async (installation) => print(await createKey(installation, name, flags))),
    );
  explain(withJson(key.command('list')), {
    variables,
    examples: [['lightning key list --tenant acme --json', 'the keys of a tenant, for a program']],
  })
    .description('list keys with their last use')
    .option('--tenant <id>', 'only those of this tenant')
    .action((flags: ListingFlags & { readonly tenant?: string }) =>
      asOperator(context, 'look', async (installation) => {
        const rows = await listKeys(installation, flags.tenant);
        printListing(context, flags, { rows, line: formatKey, none: 'there are no keys' });
      }),
    );
  explain(key.command('revoke <id>'), {
    variables,
    examples: [['lightning key revoke 0f3a5c7e9b1d', 'its requests are refused within two seconds']],
  })
    .description('end a key')
    .action((id: string) =>
      asOperator(context, 'change', async (installation) => {
        await revokeKey(installation, id);
        print('the key was revoked');
      }),
    );
}

/** A key as a line of columns. */
function formatKey(key: ApiKey): string {
  return [
    key.id,
    key.tenant_id ?? '-',
    key.name,
    key.role,
    key.expires_at === null ? 'never expires' : `expires ${key.expires_at.toISOString()}`,
    key.last_used_at === null ? 'unused' : `used ${key.last_used_at.toISOString()}`,
  ].join('\t');
}

import type { Command } from 'commander';
import { asOwner } from '../db/installation.ts';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { auditGroup } from './audit-group.ts';
import type { CommandContext } from './command-context.ts';
import { asAdministrator, asOperator } from './database-access.ts';
import { databaseVariables, explain } from './explain.ts';
import { printJson, printListing, withJson } from './listing.ts';
import type { ListingFlags } from './listing.ts';
import { UsageError } from './usage-error.ts';

/** The flags of `lightning audit search`, as they were typed. */
interface SearchFlags extends ListingFlags {
  readonly tenant?: string;
  readonly table?: string;
  readonly key?: string;
  readonly subject?: string;
  readonly from?: string;
  readonly to?: string;
  readonly operation?: string;
  readonly role?: string;
  readonly request?: string;
  readonly before?: string;
  readonly max: string;
}

interface PageFlags extends ListingFlags {
  readonly tenant: string;
  readonly after?: string;
  readonly max: string;
}

interface Entry {
  readonly at: Date;
  readonly table_name: string;
  readonly operation: string;
  readonly row_count: number;
  readonly key: unknown;
  readonly old_values: unknown;
  readonly new_values: unknown;
  readonly subject: string | null;
  readonly login: string;
  readonly cursor: string;
}

interface Activity {
  readonly at: Date;
  readonly of_tenant: string | null;
  readonly table_name: string;
  readonly what: string;
  readonly row_count: number;
  readonly by_subject: string | null;
  readonly login: string;
  readonly details: unknown;
  readonly cursor: string;
}

/** The newest matching entries of one tenant's log. */
async function searchOf(executor: Executor, flags: SearchFlags): Promise<readonly Entry[]> {
  const { rows } = await executor.query<Entry>(sql`
    select * from app_public.audit_search(
      ${flags.table ?? null}, ${keyOf(flags.key)}::jsonb, ${flags.subject ?? null}, ${flags.from ?? null}::timestamptz,
      ${flags.to ?? null}::timestamptz, ${flags.operation ?? null}, ${flags.role ?? null}, ${flags.request ?? null},
      ${flags.before ?? null}, ${countOf(flags.max)}
    )`);
  return rows;
}

/** The newest matching entries across tenants, without their values. */
async function activityOf(executor: Executor, flags: SearchFlags): Promise<readonly Activity[]> {
  const { rows } = await executor.query<Activity>(sql`
    select * from ops.audit_activity(
      null, ${flags.table ?? null}, ${flags.subject ?? null}, ${flags.from ?? null}::timestamptz, ${flags.to ?? null}::timestamptz,
      ${flags.operation ?? null}, ${flags.role ?? null}, ${flags.request ?? null}, ${flags.before ?? null}, ${countOf(flags.max)}
    )`);
  return rows;
}

/** `lightning audit search`, `history` and `as-of` */
export function addReadAudit(program: Command, context: CommandContext): void {
  const audit = auditGroup(program);
  addSearch(audit, context);
  addHistory(audit, context);
  addAsOf(audit, context);
}

function addSearch(audit: Command, context: CommandContext): void {
  explain(withJson(audit.command('search')), {
    variables: [...databaseVariables, 'MIGRATE_DATABASE_URL'],
    examples: [
      [
        'lightning audit search --tenant acme --table tasks --subject ann',
        'what ann did to the tasks of acme',
      ],
      ['lightning audit search --operation grant', 'grants; without --tenant no value of a tenant is shown'],
    ],
  })
    .description('search the audit log, the newest first; the search is logged')
    .option('--tenant <id>', 'the tenant; without it across tenants, and without values')
    .option('--table <name>', 'the table, as in tasks')
    .option('--key <key>', 'the id of a row, or its primary key as JSON; with --tenant and --table')
    .option('--subject <name>', 'who did it')
    .option('--from <moment>', 'from this moment on')
    .option('--to <moment>', 'up to this moment')
    .option('--operation <name>', 'insert, update, delete, truncate, read, or a command of DDL')
    .option('--role <name>', 'the role that it was done under')
    .option('--request <id>', 'the request, as in X-Request-Id')
    .option('--before <cursor>', 'go on after the last entry of the page before')
    .option('--max <count>', 'how many, 1 to 1000', '100')
    .action((flags: SearchFlags) => {
      const { tenant } = flags;
      const none = 'nothing matches';
      if (tenant === undefined) {
        if (flags.key !== undefined) throw new UsageError('--key goes with --tenant and --table');
        return asOperator(context, 'look', async (installation) =>
          printListing(context, flags, {
            rows: await activityOf(asOwner(installation), flags),
            line: activityLine,
            none,
          }),
        );
      }
      return asAdministrator(context, tenant, async (executor) =>
        printListing(context, flags, { rows: await searchOf(executor, flags), line: entryLine, none }),
      );
    });
}

function addHistory(audit: Command, context: CommandContext): void {
  explain(withJson(audit.command('history <table> <key>')), {
    variables: databaseVariables,
    examples: [['lightning audit history agents writer --tenant acme', 'every change of this agent']],
  })
    .description('show every change of a row, the oldest first; the read is logged')
    .requiredOption('--tenant <id>', 'the tenant')
    .option('--after <cursor>', 'go on after the last entry of the page before')
    .option('--max <count>', 'how many, 1 to 1000', '100')
    .action((table: string, key: string, flags: PageFlags) =>
      asAdministrator(context, flags.tenant, async (executor) => {
        const { rows } = await executor.query<Entry>(sql`
          select * from app_public.row_history(
            ${table}, ${keyOf(key)}::jsonb, ${flags.after ?? null}, ${countOf(flags.max)}
          )`);
        printListing(context, flags, { rows, line: entryLine, none: 'the log has nothing about this row' });
      }),
    );
}

function addAsOf(audit: Command, context: CommandContext): void {
  explain(audit.command('as-of <table> <key> <moment>'), {
    variables: databaseVariables,
    examples: [
      ['lightning audit as-of agents writer 2026-01-31T12:00:00Z --tenant acme', 'this agent as it was then'],
    ],
  })
    .description('show a row as it was at a moment, as JSON; the read is logged')
    .requiredOption('--tenant <id>', 'the tenant')
    .action((table: string, key: string, moment: string, { tenant }: { tenant: string }) =>
      asAdministrator(context, tenant, async (executor) => {
        const { rows } = await executor.query(sql`
          select * from app_public.row_as_of(${table}, ${keyOf(key)}::jsonb, ${moment}::timestamptz)`);
        printJson(context, rows[0]);
      }),
    );
}

/** A key as JSON: an object as it is, any other word as text, which the database reads as the type of the key. */
function keyOf(given: string | undefined): string | null {
  if (given === undefined) return null;
  return /^\s*\{/.test(given) ? given : JSON.stringify(given);
}

function countOf(given: string): number {
  if (!/^\d{1,4}$/.test(given)) throw new UsageError(`--max is ${JSON.stringify(given)}; expected 1 to 1000`);
  return Number(given);
}

function entryLine(entry: Entry): string {
  const { at, operation, row_count: count, table_name: table, key, subject, login } = entry;
  return [
    at.toISOString(),
    operation,
    table,
    key === null ? `${count} rows` : JSON.stringify(key),
    subject ?? login,
    `${shown(entry.old_values)} -> ${shown(entry.new_values)}`,
    entry.cursor,
  ].join('\t');
}

function activityLine(entry: Activity): string {
  const { at, what, of_tenant: tenant, table_name: table, row_count: count } = entry;
  return [
    at.toISOString(),
    what,
    tenant ?? '-',
    table,
    `${count} rows`,
    entry.by_subject ?? entry.login,
    entry.details === null ? '' : JSON.stringify(entry.details),
    entry.cursor,
  ].join('\t');
}

function shown(values: unknown): string {
  return values === null ? '-' : JSON.stringify(values);
}

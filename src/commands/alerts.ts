import type { Command } from 'commander';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import type { CommandContext } from './command-context.ts';
import { asReader } from './database-access.ts';
import { databaseVariables, explain } from './explain.ts';
import { printListing, withJson } from './listing.ts';
import type { ListingFlags } from './listing.ts';

/** An alert, as ops.alerts shows it. */
export interface Alert {
  readonly kind: string;
  readonly severity: 'warning' | 'error';
  readonly message: string;
  readonly raised_at: Date;
  readonly resolved_at: Date | null;
}

/** The open alerts, errors first. With `all`, also those resolved in the last thirty days, newest first. */
export async function listAlerts(executor: Executor, all: boolean): Promise<Alert[]> {
  const { rows } = await executor.query<Alert>(sql`
    select kind, severity, message, raised_at, resolved_at
    from ops.alerts
    where resolved_at is null or ${all} and resolved_at > now() - interval '30 days'
    order by resolved_at is not null, severity, raised_at desc`);
  return rows;
}

/** An alert as a line of columns. */
export function formatAlert({
  kind,
  severity,
  message,
  raised_at: raised,
  resolved_at: resolved,
}: Alert): string {
  const until = resolved === null ? 'open' : `resolved ${resolved.toISOString()}`;
  return [severity, kind, `raised ${raised.toISOString()}`, until, message].join('\t');
}

/** `lightning alerts` */
export function addAlerts(program: Command, context: CommandContext): void {
  const command = withJson(program.command('alerts'))
    .description('show what is wrong')
    .option('--all', 'also show what was wrong in the last thirty days')
    .action((flags: ListingFlags & { all?: true }) =>
      asReader(context, async (executor) => {
        const all = flags.all ?? false;
        printListing(context, flags, {
          rows: await listAlerts(executor, all),
          line: formatAlert,
          none: all ? 'nothing is wrong, and nothing was in the last thirty days' : 'nothing is wrong',
        });
      }),
    );
  explain(command, {
    variables: [...databaseVariables, 'WORKER_DATABASE_URL', 'ALERT_WEBHOOK_URL'],
    examples: [
      ['lightning alerts', 'what is wrong now'],
      ['lightning alerts --all --json', 'the last thirty days, for a program'],
    ],
  });
}

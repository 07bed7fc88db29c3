import type { Command } from 'commander';
import { asOwner } from '../db/installation.ts';
import { startWrites, stopWrites } from '../rollback/stop-writes.ts';
import type { WaitOptions } from '../rollback/stop-writes.ts';
import type { CommandContext } from './command-context.ts';
import { asOperator } from './database-access.ts';
import { databaseVariables, explain } from './explain.ts';
import { printJson, withJson } from './listing.ts';
import type { ListingFlags } from './listing.ts';
import { untilAborted } from './signals.ts';
import { UsageError } from './usage-error.ts';

/** Flags of the commands that wait for writers. */
export interface WaitFlags extends ListingFlags {
  readonly within?: string;
}

/** The longest wait that makes sense: requests of others queue behind each try. */
const mostSeconds = 3_600;

/** How long to wait, from `--within`; default: a minute. Throws UsageError. */
export function waitOf({ within = '60' }: WaitFlags, { showProgress }: CommandContext): WaitOptions {
  const seconds = /^\d{1,4}$/.test(within) ? Number(within) : 0;
  if (seconds < 1 || seconds > mostSeconds) {
    throw new UsageError(
      `--within is ${JSON.stringify(within)}; expected a number of seconds from 1 to ${mostSeconds}`,
    );
  }
  return { withinMs: seconds * 1_000, onProgress: showProgress, signal: untilAborted() };
}

/** `lightning writes` */
export function addWrites(program: Command, context: CommandContext): void {
  const { print } = context;
  const variables = [...databaseVariables, 'MIGRATE_DATABASE_URL'] as const;
  const within = [
    '--within <seconds>',
    'how long to wait for transactions that write (default: 60)',
  ] as const;
  const writes = explain(program.command('writes'), {
    variables,
    examples: [['lightning writes stop --reason "moving to another server"', 'reads go on']],
  }).description('stop all writes of data for a while, at every door, and start them again');
  explain(withJson(writes.command('stop')), {
    variables,
    examples: [['lightning writes stop --reason maintenance', 'callers get 503 with Retry-After']],
  })
    .description('stop all writes: of every door, login and job')
    .requiredOption('--reason <text>', 'why; callers see it')
    .option(...within)
    .action((flags: WaitFlags & { reason: string }) => {
      const wait = waitOf(flags, context);
      if (flags.reason.trim() === '' || flags.reason.length > 500)
        throw new UsageError('--reason: expected a text of 1 to 500 characters');
      return asOperator(context, 'change', async (installation) => {
        const { stop, notStopped } = await stopWrites(asOwner(installation), flags.reason, wait);
        if (flags.json) {
          printJson(context, {
            id: stop.id,
            reason: stop.reason,
            stopped_at: stop.stoppedAt,
            not_stopped: notStopped,
          });
          return;
        }
        print(`writes are stopped since ${stop.stoppedAt}: ${stop.reason}`);
        for (const table of notStopped) print(`${table} belongs to another role, and goes on taking writes`);
      });
    });
  explain(withJson(writes.command('start')), {
    variables,
    examples: [['lightning writes start', 'does nothing when they are not stopped']],
  })
    .description('let writes in again')
    .option(...within)
    .action((flags: WaitFlags) => {
      const wait = waitOf(flags, context);
      return asOperator(context, 'change', async (installation) => {
        const ended = await startWrites(asOwner(installation), wait);
        if (flags.json) printJson(context, { ended: ended?.id ?? null });
        else
          print(
            ended === null
              ? 'writes were not stopped'
              : `writes go on; they were stopped since ${ended.stoppedAt}`,
          );
      });
    });
}

import type { Command } from 'commander';
import type { Executor } from '../db/database.ts';
import { recordRun } from '../jobs/job-run.ts';
import { retain, retentionLock } from '../jobs/retain.ts';
import { planRetention } from '../retention/plan-retention.ts';
import type { PlannedRemoval } from '../retention/plan-retention.ts';
import type { CommandContext } from './command-context.ts';
import { databaseVariables, explain } from './explain.ts';
import { asWorker } from './database-access.ts';
import { printJson, withJson } from './listing.ts';
import type { ListingFlags } from './listing.ts';
import { UsageError } from './usage-error.ts';

/**
 * The rows and partitions that retention would remove at `now`, as lines for people. `executor` is the
 * worker's.
 */
export async function dryRun(executor: Executor, now: Date): Promise<string[]> {
  return inWords(await planRetention(executor, now));
}

function inWords(planned: readonly PlannedRemoval[]): string[] {
  if (planned.length === 0) return ['nothing would be removed'];
  const lines = planned.map(({ policy, tenant, olderThan, partition, rows, bytes }) =>
    [
      policy.padEnd(16),
      (tenant ?? '-').padEnd(16),
      `before ${olderThan.toISOString().slice(0, 16)}Z`,
      `${rows} rows`.padStart(14),
      partition === null ? '' : `with ${partition} (${Math.ceil((bytes ?? 0) / 1024)} kB)`,
    ]
      .join(' ')
      .trimEnd(),
  );
  const total = planned.reduce((sum, { rows }) => sum + rows, 0);
  const partitions = new Set(planned.flatMap(({ partition }) => partition ?? [])).size;
  return [...lines, `${total} rows would be removed, some of them with ${partitions} partitions`];
}

/** `lightning retention` */
export function addRetention(program: Command, context: CommandContext): void {
  const { log, print } = context;
  explain(withJson(program.command('retention')), {
    variables: [...databaseVariables, 'WORKER_DATABASE_URL'],
    examples: [
      ['lightning retention --dry-run', 'what would be removed, and whose'],
      ['lightning retention', 'what the worker does every day'],
    ],
  })
    .description('remove the rows that are past their retention (ops.retention_policies)')
    .option('--dry-run', 'only show what would be removed: how much, and whose')
    .action(({ dryRun: dry, json }: ListingFlags & { dryRun?: true }) => {
      if (json && !dry) throw new UsageError('--json goes with --dry-run');
      return asWorker(context, dry ? 'look' : 'change', async ({ database }) => {
        const now = new Date();
        if (json) {
          const planned = await planRetention(database, now);
          printJson(
            context,
            planned.map(({ policy, tenant, olderThan, partition, rows, bytes }) => ({
              policy,
              tenant,
              older_than: olderThan,
              partition,
              rows,
              bytes,
            })),
          );
          return;
        }
        const lines = dry
          ? await dryRun(database, now)
          : await recordRun(database, { task: 'retention', lock: retentionLock }, (run) =>
              retain(database, now, {
                signal: run.signal,
                progress: (fraction, note) => {
                  run.progress(fraction, note);
                  log({ level: 'info', event: 'retention', message: note });
                },
              }),
            );
        for (const line of lines.length > 0 ? lines : ['nothing had to be removed']) print(line);
      });
    });
}

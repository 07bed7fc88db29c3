import type { Command } from 'commander';
import { openStoredBackups } from '../backup/open-backups.ts';
import { parseTarget } from '../backup/restore-target.ts';
import type { RestoreTarget } from '../backup/restore-target.ts';
import type { CommandContext } from './command-context.ts';
import { configure } from './configure.ts';
import { untilAborted } from './signals.ts';
import { UsageError } from './usage-error.ts';

interface RestoreFlags {
  readonly to: string;
  readonly into: string;
  readonly from?: string;
}

/** What `--to` says. Throws UsageError. */
function targetOf(to: string): RestoreTarget {
  const target = parseTarget(to);
  if (target) return target;
  throw new UsageError(
    `--to is ${JSON.stringify(to)}; it is latest, a time with its zone (2026-11-27T13:30:00Z), or a position (0/16B3748)`,
  );
}

/** `lightning restore` */
export function addRestore(program: Command, context: CommandContext): void {
  program
    .command('restore')
    .description('make a data directory of a moment, from the store alone; nothing that runs is touched')
    .requiredOption('--to <moment>', 'latest, a time with its zone, or a position in the WAL')
    .requiredOption('--into <directory>', 'the data directory to make; not there yet, or empty')
    .option('--from <backup>', 'the backup to begin with; by default the newest that is early enough')
    .action(async ({ to, into, from }: RestoreFlags) => {
      const stored = openStoredBackups(configure(context));
      context.print(
        await stored.restore({
          target: targetOf(to),
          into,
          from: from ?? null,
          onProgress: context.showProgress,
          signal: untilAborted(),
        }),
      );
    });
}

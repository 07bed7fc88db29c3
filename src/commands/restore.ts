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

/** The moment that `--to` names. Throws UsageError. */
function targetOf(to: string): RestoreTarget {
  const target = parseTarget(to);
  if (target) return target;
  throw new UsageError(
    `--to is ${JSON.stringify(to)}; expected latest, a time with its zone (2026-11-27T13:30:00Z), or a position (0/16B3748)`,
  );
}

/** `lightning restore` */
export function addRestore(program: Command, context: CommandContext): void {
  program
    .command('restore')
    .description(
      'make a data directory as of a moment, from the store alone; running servers are not touched',
    )
    .requiredOption('--to <moment>', 'latest, a time with its zone, or a position in the WAL')
    .requiredOption('--into <directory>', 'the data directory to make; it must be missing or empty')
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

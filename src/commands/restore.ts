import type { Command } from 'commander';
import { openStoredBackups } from '../backup/open-backups.ts';
import { parseTarget } from '../backup/restore-target.ts';
import type { RestoreTarget } from '../backup/restore-target.ts';
import type { CommandContext } from './command-context.ts';
import { explain } from './explain.ts';
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
    `--to is ${JSON.stringify(to)}; expected latest, an existing time with its time zone (2026-11-27T13:30:00Z, 2026-11-27 13:30:00.123456+00), or a position (0/16B3748)`,
  );
}

/** `lightning restore` */
export function addRestore(program: Command, context: CommandContext): void {
  explain(program.command('restore'), {
    variables: ['BACKUP_STORE', 'BACKUP_ENCRYPTION_KEY', 'BACKUP_PUBLIC_KEY', 'BACKUP_BIN_DIR'],
    examples: [
      ['lightning restore --to latest --into ./restored', 'the newest state that the store has'],
      ['lightning restore --to 2026-11-27T13:30:00Z --into ./restored', 'the state of that moment'],
    ],
  })
    .description(
      'make a data directory that holds the database as of a moment, from the store alone; running servers are not touched',
    )
    .requiredOption('--to <moment>', 'latest, a time with its time zone, or a position in the WAL')
    .requiredOption('--into <directory>', 'the data directory to make; it must be missing or empty')
    .option('--from <backup>', 'the backup to begin with (default: the newest that is early enough)')
    .action(async ({ to, into, from }: RestoreFlags) => {
      const target = targetOf(to);
      const stored = openStoredBackups(configure(context));
      context.print(
        await stored.restore({
          target,
          into,
          from: from ?? null,
          onProgress: context.showProgress,
          signal: untilAborted(),
        }),
      );
    });
}

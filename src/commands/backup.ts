import type { Command } from 'commander';
import type { Backups, ListedBackup, StoredBackups, Work } from '../backup/backups.ts';
import { openBackups, openStoredBackups } from '../backup/open-backups.ts';
import type { Config } from '../config/config.ts';
import { backUp, backupLock } from '../jobs/back-up.ts';
import { drill, drillLock } from '../jobs/drill.ts';
import { recordRun } from '../jobs/job-run.ts';
import type { JobRun } from '../jobs/job-run.ts';
import type { CommandContext } from './command-context.ts';
import { configure } from './configure.ts';
import { asWorker } from './database-access.ts';
import { exitStatus } from './exit-status.ts';
import { untilAborted } from './signals.ts';
import { UsageError } from './usage-error.ts';

/**
 * The output of `lightning backups`: a line for each backup, oldest first, then the moments that a restore can
 * reach.
 */
async function listBackups(stored: StoredBackups): Promise<string> {
  const { store, backups, damaged } = await stored.list();
  const lines = [...backups.map(inWords), ...damaged.map((message) => `DAMAGED\t${message}`)];
  if (backups.length === 0) lines.push(`${store} holds no backups`);
  const reach = await stored.reach();
  if (reach !== null) lines.push('', reach);
  return lines.join('\n');
}

function inWords({ id, endedAt, storedBytes, position, parent }: ListedBackup): string {
  return [id, endedAt, `${(storedBytes / 1_000_000).toFixed(1)} MB`, position, parent].join('\t').trimEnd();
}

/** Reads every stored byte. `ok` is false when anything is wrong, or when there was nothing to check. */
async function verifyBackups(
  stored: StoredBackups,
  work: Work,
): Promise<{ readonly ok: boolean; readonly text: string }> {
  const { store, backups, objects, walFiles, problems } = await stored.verify(work);
  const wrong =
    objects === 0 ? [...problems, { member: store, what: 'there is nothing to check' }] : problems;
  const checked = `checked ${backups} backups: ${objects} objects, ${walFiles} files of WAL`;
  const lines = wrong.map(({ member, what }) => `WRONG\t${member}\t${what}`);
  return { ok: wrong.length === 0, text: [...lines, checked].join('\n') };
}

/** Flags of `lightning backup`; they exclude each other. */
interface BackupFlags {
  readonly full?: true;
  readonly incremental?: true;
}

/** `lightning backup` with its subcommands, and `lightning backups` */
export function addBackup(program: Command, context: CommandContext): void {
  const { print, showProgress, setExitStatus } = context;
  const backup = program
    .command('backup')
    .description('back the database up: the changes since the last backup, or all of it when that is due')
    .option('--full', 'back up all of it')
    .option('--incremental', 'back up the changes, however old the last full backup is')
    .action((flags: BackupFlags) => backUpNow(context, flags));
  backup
    .command('drill')
    .description('prove the newest backups: restore them, and compare every row with the database')
    .action(() => drillNow(context));
  backup
    .command('verify')
    .description('read every stored byte of the backups and of their WAL, and name what is wrong')
    .action(async () => {
      const stored = openStoredBackups(configure(context));
      const work = { onProgress: showProgress, signal: untilAborted() };
      const { ok, text } = await verifyBackups(stored, work);
      print(text);
      if (!ok) setExitStatus(exitStatus.failed);
    });
  program
    .command('backups')
    .description('list the backups, and the moments that a restore can reach')
    .action(async () => print(await listBackups(openStoredBackups(configure(context)))));
}

async function backUpNow(context: CommandContext, { full, incremental }: BackupFlags): Promise<void> {
  if (full && incremental) throw new UsageError('--full and --incremental exclude each other');
  const requested = full ? 'full' : incremental ? 'incremental' : 'auto';
  await asWorker(context, 'change', async ({ config, database }) => {
    const backups = requireBackups(config, context);
    const job = { task: 'back_up', lock: backupLock, details: { requested }, signal: untilAborted() };
    context.print(
      await recordRun(database, job, (run) =>
        backUp(backups, database, requested, alsoShown(run, context), now),
      ),
    );
  });
}

async function drillNow(context: CommandContext): Promise<void> {
  await asWorker(context, 'change', async ({ config, database }) => {
    const backups = requireBackups(config, context);
    const job = { task: 'drill', lock: drillLock, signal: untilAborted() };
    context.print(
      await recordRun(database, job, (run) => drill(backups, database, alsoShown(run, context), now)),
    );
  });
}

/** The run, with its progress on the screen as well as in the record. */
function alsoShown(
  { signal, progress }: JobRun,
  { showProgress }: CommandContext,
): Pick<JobRun, 'signal' | 'progress'> {
  return {
    signal,
    progress: (fraction, note) => {
      progress(fraction, note);
      showProgress(fraction, note);
    },
  };
}

/** The configured backups. Throws UsageError when none are configured; its message says what to do. */
function requireBackups(config: Config, { log }: CommandContext): Backups {
  const opened = openBackups(config, log, now);
  if (!opened.backups) throw new UsageError(opened.why);
  return opened.backups;
}

function now(): Date {
  return new Date();
}

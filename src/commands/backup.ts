import type { Command } from 'commander';
import type { BackupList, Backups, ListedBackup, Reach, StoredBackups, Work } from '../backup/backups.ts';
import { openBackups, openStoredBackups } from '../backup/open-backups.ts';
import { signStore } from '../backup/sign-store.ts';
import { openVault, refuseMissing } from '../backup/store/open-store.ts';
import type { Config } from '../config/config.ts';
import { backUp, backupLock } from '../jobs/back-up.ts';
import { drill, drillLock } from '../jobs/drill.ts';
import { recordRun } from '../jobs/job-run.ts';
import type { JobRun } from '../jobs/job-run.ts';
import { OperationalError } from '../operational-error.ts';
import type { CommandContext } from './command-context.ts';
import { configure } from './configure.ts';
import { asWorker } from './database-access.ts';
import { exitStatus } from './exit-status.ts';
import { databaseVariables, explain } from './explain.ts';
import { printJson, withJson } from './listing.ts';
import type { ListingFlags } from './listing.ts';
import { untilAborted } from './signals.ts';
import { UsageError } from './usage-error.ts';

/** Something in the store cannot be read or restored. */
class BackupsBroken extends OperationalError {
  override name = 'BackupsBroken';
}

/**
 * Prints a line for each backup, oldest first, then the moments that a restore can reach; with `json` one document of
 * the same. Rejects with BackupsBroken, once everything is printed, when a backup cannot be restored or WAL is missing.
 */
async function listBackups(
  stored: StoredBackups,
  context: CommandContext,
  { json }: ListingFlags,
): Promise<void> {
  const list = await stored.list();
  const reach = await stored.reach();
  if (json) printJson(context, documentOf(list, reach));
  else for (const line of linesOf(list, reach)) context.print(line);
  const { store, backups, damaged } = list;
  const all = backups.length + damaged.length;
  const broken = damaged.length + backups.filter(({ isBroken }) => isBroken).length;
  if (broken > 0) {
    throw new BackupsBroken(`${broken} of the ${all} backups in ${store} cannot be restored: ${verifyNames}`);
  }
  if (reach?.isBroken) throw new BackupsBroken(`WAL in ${store} is missing or damaged: ${verifyNames}`);
}

const verifyNames =
  'lightning backup verify names what is wrong; BACKUP_ENCRYPTION_KEY has to be the key that they were made with';

function linesOf({ store, backups, damaged }: BackupList, reach: Reach | null): string[] {
  return [
    ...backups.map(inWords),
    ...damaged.map((message) => `DAMAGED\t${message}`),
    ...(backups.length + damaged.length === 0 ? [`${store} holds no backups`] : []),
    ...(reach === null ? [] : [`\n${reach.text}`]),
  ];
}

/** The names of the members are in docs/commands.md. */
function documentOf({ store, backups, damaged }: BackupList, reach: Reach | null): unknown {
  return {
    store,
    backups: backups.map(({ id, endedAt, storedBytes, position, parent, isBroken }) => ({
      id,
      ended_at: endedAt,
      stored_bytes: storedBytes,
      position,
      parent,
      is_broken: isBroken,
    })),
    damaged,
    reach: reach && { text: reach.text, is_broken: reach.isBroken },
  };
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
  const variables = [
    ...databaseVariables,
    'WORKER_DATABASE_URL',
    'BACKUP_DATABASE_URL',
    'BACKUP_STORE',
    'BACKUP_ENCRYPTION_KEY',
    'BACKUP_SIGNING_KEY',
  ] as const;
  const storeVariables = ['DATA_DIR', 'BACKUP_STORE', 'BACKUP_ENCRYPTION_KEY', 'BACKUP_PUBLIC_KEY'] as const;
  const backup = explain(program.command('backup'), {
    variables,
    examples: [
      ['lightning backup', 'whatever is due'],
      ['lightning backup --full', 'all of it'],
    ],
  })
    .description('back up the database: the changes since the last backup, or all of it when that is due')
    .option('--full', 'back up all of it')
    .option('--incremental', 'back up the changes, however old the last full backup is')
    .action((flags: BackupFlags) => backUpNow(context, flags));
  explain(backup.command('drill'), {
    variables: [...variables, 'BACKUP_DRILL_DIR'],
    examples: [['lightning backup drill', 'as the worker does every week']],
  })
    .description('prove the newest backups: restore them, and compare every row with the database')
    .action(() => drillNow(context));
  explain(backup.command('verify'), {
    variables: storeVariables,
    examples: [['lightning backup verify', 'exits with 1 if a byte is wrong']],
  })
    .description('read every stored byte of the backups and of their WAL, and name what is wrong')
    .action(async () => {
      const stored = openStoredBackups(configure(context));
      const work = { onProgress: showProgress, signal: untilAborted() };
      const { ok, text } = await verifyBackups(stored, work);
      print(text);
      if (!ok) setExitStatus(exitStatus.failed);
    });
  explain(backup.command('sign'), {
    variables: ['DATA_DIR', 'BACKUP_STORE', 'BACKUP_SIGNING_KEY'],
    examples: [
      ['lightning backup sign', 'once, when BACKUP_SIGNING_KEY is set for the first time or renewed'],
    ],
  })
    .description('sign what is in the store and no trusted key has signed, as it is now')
    .action(() => signNow(context));
  explain(withJson(program.command('backups')), {
    variables: storeVariables,
    examples: [
      [
        'lightning backups',
        'a backup a line: id, end, size, what a restore of it brings back, what it builds on',
      ],
      ['BACKUP_STORE=s3://bucket/prefix lightning backups --json', 'those of another store, for a program'],
    ],
  })
    .description('list the backups, and the moments that a restore can reach')
    .action((flags: ListingFlags) => listBackups(openStoredBackups(configure(context)), context, flags));
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

async function signNow(context: CommandContext): Promise<void> {
  const { backup } = configure(context);
  if (!backup.signingKey) {
    throw new UsageError(
      'BACKUP_SIGNING_KEY is not set; make one with openssl genpkey -algorithm ed25519 (docs/backup.md)',
    );
  }
  await refuseMissing(backup);
  const vault = await openVault(backup);
  const { backups, wal } = await signStore(vault, now());
  context.print(
    backups + wal === 0
      ? `everything in ${vault.store.name} is signed`
      : `signed ${backups} backups and ${wal} files of WAL in ${vault.store.name}, without reading them: lightning backup verify does`,
  );
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

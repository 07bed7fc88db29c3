import type { Command } from 'commander';
import { verifySnapshot } from '../backup/embedded/restore.ts';
import type { ReadManifest } from '../backup/manifest.ts';
import { readManifests } from '../backup/manifest.ts';
import { configuredPrograms } from '../backup/server/configured-programs.ts';
import { RestoreRefused } from '../backup/restore-refused.ts';
import { chainOf } from '../backup/server/plan-backup.ts';
import { ProgramsMissing } from '../backup/server/programs.ts';
import { reachableWindow } from '../backup/server/reachable-window.ts';
import { verifyServerBackups } from '../backup/server/verify.ts';
import { openVault } from '../backup/store/open-store.ts';
import type { Config } from '../config/config.ts';
import { backupLock } from '../jobs/back-up.ts';
import { drillLock, makeDrill } from '../jobs/drill.ts';
import { recordRun } from '../jobs/job-run.ts';
import type { JobRun } from '../jobs/job-run.ts';
import { makeBackUp } from '../jobs/make-back-up.ts';
import type { CommandContext } from './command-context.ts';
import { configure } from './configure.ts';
import { asWorker } from './database-access.ts';
import { exitStatus } from './exit-status.ts';
import { untilAborted } from './signals.ts';
import { UsageError } from './usage-error.ts';
import type { OnProgress } from '../on-progress.ts';

/** What `lightning backups` prints: a line for each backup, oldest first, then to which moments a restore can go. */
export async function listBackups(config: Config): Promise<string> {
  const vault = await openVault(config.backup);
  const { manifests, damaged } = await readManifests(vault);
  const lines = manifests
    .toSorted((a, b) => Date.parse(a.manifest.endedAt) - Date.parse(b.manifest.endedAt))
    .map((backup) => describe(backup, manifests));
  for (const { message } of damaged) lines.push(`DAMAGED\t${message}`);
  if (manifests.length === 0) lines.push(`no backup in ${vault.store.name}`);
  const major = serverMajor(manifests);
  if (major !== null) lines.push('', await windowInWords(config, major));
  return lines.join('\n');
}

/** Reads every stored byte. `ok` is false when something is wrong, or nothing was there to be checked. */
export async function verifyBackups(
  config: Config,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<{ readonly ok: boolean; readonly text: string }> {
  const vault = await openVault(config.backup);
  const ofServer = await verifyServerBackups({
    vault,
    spoolDirectory: config.backup.spoolDirectory,
    onProgress,
    signal,
  });
  const problems = [...ofServer.problems];
  let { backups, objects } = ofServer;
  for (const snapshot of (await readManifests(vault)).manifests) {
    if (snapshot.manifest.embedded === null) continue;
    const found = await verifySnapshot({ vault, snapshot, onProgress, signal });
    backups += 1;
    objects += found.objects;
    problems.push(...found.problems.map((what) => ({ member: snapshot.id, what })));
  }
  if (objects === 0) problems.push({ member: vault.store.name, what: 'there is nothing to check' });
  const checked = `checked ${backups} backups: ${objects} objects, ${ofServer.walFiles} files of WAL`;
  const wrong = problems.map(({ member, what }) => `WRONG\t${member}\t${what}`);
  return { ok: problems.length === 0, text: [...wrong, checked].join('\n') };
}

/** The major version of the newest backup of a server; null: there is none. */
export function serverMajor(manifests: readonly ReadManifest[]): number | null {
  const version = manifests.findLast(({ manifest }) => manifest.server !== null)?.manifest.server?.version;
  return version === undefined ? null : Number.parseInt(version, 10);
}

function describe(backup: ReadManifest, all: readonly ReadManifest[]): string {
  const { id, manifest } = backup;
  // Most of what a snapshot is made of was stored by earlier ones.
  const stored =
    manifest.embedded?.newBytes ?? manifest.objects.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const chain = chainOf(backup, all);
  return [
    id,
    manifest.endedAt,
    `${(stored / 1_000_000).toFixed(1)} MB`,
    manifest.server ? `timeline ${manifest.server.timeline}, until ${manifest.server.endLsn}` : 'embedded',
    'broken' in chain ? `BROKEN: ${chain.what}` : manifest.parent ? `on ${manifest.parent.id}` : '',
  ]
    .join('\t')
    .trimEnd();
}

async function windowInWords(config: Config, major: number): Promise<string> {
  try {
    const vault = await openVault(config.backup);
    const programs = await configuredPrograms(config)(major);
    const window = await reachableWindow(vault, config.backup.spoolDirectory, programs);
    if (!window) return 'nothing of it can be restored: no chain is whole';
    const { oldest, newest, gap } = window;
    const until = newest.time === null ? '' : ` (last transaction at ${newest.time})`;
    const range = `restore --to reaches from ${oldest.time}, position ${oldest.lsn}, to position ${newest.lsn}${until}`;
    return gap === null ? range : `${range}\nWAL ${gap} is MISSING: nothing after it can be reached`;
  } catch (error) {
    if (!(error instanceof ProgramsMissing) && !(error instanceof RestoreRefused)) throw error;
    return `to which moment a restore can go is not known: ${error.message}`;
  }
}

/** Flags of `lightning backup`, which exclude each other. */
interface BackupFlags {
  readonly full?: true;
  readonly incremental?: true;
}

/** `lightning backup` with its commands, and `lightning backups` */
export function addBackup(program: Command, context: CommandContext): void {
  const { print, showProgress, setExitStatus } = context;
  const backup = program
    .command('backup')
    .description('back the database up: what changed since the last backup, or all of it when that is due')
    .option('--full', 'all of it')
    .option('--incremental', 'what changed, however old the last full backup is')
    .action((flags: BackupFlags) => backUpNow(context, flags));
  backup
    .command('drill')
    .description('prove the newest backups: restore them, and compare every row with the database')
    .action(() => drillNow(context));
  backup
    .command('verify')
    .description('read every stored byte of the backups and of their WAL, and name what is wrong')
    .action(async () => {
      const { ok, text } = await verifyBackups(configure(context), showProgress, untilAborted());
      print(text);
      if (!ok) setExitStatus(exitStatus.failed);
    });
  program
    .command('backups')
    .description('the backups that there are, and to which moments a restore can go')
    .action(async () => print(await listBackups(configure(context))));
}

async function backUpNow(context: CommandContext, { full, incremental }: BackupFlags): Promise<void> {
  if (full && incremental) throw new UsageError('--full and --incremental exclude each other');
  const requested = full ? 'full' : incremental ? 'incremental' : 'auto';
  await asWorker(context, 'change', async ({ config, connections, database }) => {
    const backUp = makeBackUp(config, connections.worker ?? '', database, context.log, () => new Date());
    if (!backUp) throw new UsageError(noBackups(config));
    const job = { task: 'back_up', lock: backupLock, details: { requested }, signal: untilAborted() };
    context.print(await recordRun(database, job, (run) => backUp(requested, alsoShown(run, context))));
  });
}

async function drillNow(context: CommandContext): Promise<void> {
  await asWorker(context, 'change', async ({ config, database }) => {
    const drill = makeDrill(config, database, context.log, () => new Date());
    if (!drill) throw new UsageError(noBackups(config));
    const job = { task: 'drill', lock: drillLock, signal: untilAborted() };
    context.print(await recordRun(database, job, (run) => drill(alsoShown(run, context))));
  });
}

/** The run, whose progress is on the screen as well as in the record. */
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

/** Why there are no backups of what is configured, and what to do. */
function noBackups({ useDatabase, server }: Config): string {
  if (!useDatabase) return 'USE_DATABASE=false keeps nothing, so there is nothing to back up';
  return server?.backupUrl
    ? 'BACKUP_STORE is missing: set it to a directory or to s3://bucket/prefix'
    : 'BACKUP_DATABASE_URL is missing; `lightning setup` prints it when it makes the login';
}

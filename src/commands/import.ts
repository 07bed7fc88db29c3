import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { backupKeys } from '../backup/store/open-store.ts';
import type { Installation } from '../db/installation.ts';
import { loadExport } from '../export/load-export.ts';
import { isExport, openExport } from '../export/open-export.ts';
import { formatPlan, formatReport, isComplete, reportJson } from '../import/format-report.ts';
import { importFolder } from '../import/import-folder.ts';
import type { ImportReport } from '../import/import-folder.ts';
import { isOffset } from '../import/local-time.ts';
import { planImport } from '../import/plan-import.ts';
import { ImportError } from '../import/read-stores.ts';
import { ProgressDisplay } from '../import/progress.ts';
import type { ProgressStream } from '../import/progress.ts';
import { QuarantineFile } from '../import/quarantine.ts';
import type { CommandContext } from './command-context.ts';
import { configure } from './configure.ts';
import { databaseVariables, explain } from './explain.ts';
import { asOperator } from './database-access.ts';
import { untilAborted } from './signals.ts';
import { UsageError } from './usage-error.ts';

/** `lightning import FOLDER` */
export interface ImportCommand {
  /**
   * Its database connects as a login that may make temporary tables and switch to the tenant's service role; on a
   * server, the migrations' login.
   */
  readonly installation: Installation;
  readonly folder: string;
  readonly tenantId: string;
  readonly createMissingAgents: boolean;
  /** The offset from UTC of the clock that wrote JSON files; left out: that of the legacy host. */
  readonly clock?: string | undefined;
  /** File for refused items. It is written only when there are any, and replaces an earlier run's file. */
  readonly quarantineFile: string;
  /** File for the report as JSON, for its owner only; null: none. */
  readonly reportFile: string | null;
  /** Stream for the report. */
  readonly out: NodeJS.WritableStream;
  /** Stream for the progress. */
  readonly progress: ProgressStream;
}

/**
 * Imports a folder and prints the result. Returns the exit status: 0 when every item is stored or in the
 * quarantine file; 1 when the counts do not add up or the database does not match the files. Throws UsageError
 * when the folder has nothing to import or the tenant does not exist.
 */
export async function importCommand(command: ImportCommand): Promise<number> {
  const { installation, folder, tenantId, createMissingAgents, out } = command;
  const quarantine = new QuarantineFile(command.quarantineFile);
  const display = new ProgressDisplay(command.progress);
  let report: ImportReport;
  // A place that cannot be written shows before anything is stored.
  if (command.reportFile !== null) await writeReport(command.reportFile, '');
  try {
    report = await importFolder({
      installation,
      folder,
      tenantId,
      createMissingAgents,
      clock: command.clock,
      onRefused: (refusals) => quarantine.add(refusals),
      onProgress: (progress) => display.show(progress),
    });
  } catch (error) {
    throw error instanceof ImportError ? new UsageError(error.message, { cause: error }) : error;
  } finally {
    display.end();
  }
  const quarantineFile = quarantine.lines > 0 ? quarantine.path : null;
  if (command.reportFile !== null) await writeReport(command.reportFile, reportJson(report, quarantineFile));
  out.write(`${formatReport(report, quarantineFile)}\n`);
  return report.stores.every(isComplete) ? 0 : 1;
}

async function writeReport(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { mode: 0o600 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`the report cannot be written to ${file}: ${reason}`, { cause: error });
  }
}

/** What an import would read, without a database. Throws UsageError when there is nothing to import. */
async function printPlan(
  { print }: CommandContext,
  folder: string,
  clock: string | undefined,
): Promise<void> {
  try {
    print(formatPlan(await planImport(folder, clock)));
  } catch (error) {
    throw error instanceof ImportError ? new UsageError(error.message, { cause: error }) : error;
  }
}

/** Flags of `lightning import`. */
interface ImportFlags {
  readonly tenant?: string;
  readonly createMissingAgents?: true;
  readonly quarantine?: string;
  readonly dryRun?: true;
  readonly legacyTimezone?: string;
  readonly report?: string;
}

/** `lightning import` */
export function addImport(program: Command, context: CommandContext): void {
  explain(program.command('import <folder>'), {
    variables: [...databaseVariables, 'MIGRATE_DATABASE_URL'],
    examples: [
      ['lightning import ./legacy --create-missing-agents', 'into the default tenant'],
      ['lightning import ./legacy --dry-run', 'what would be imported'],
      ['lightning import ./export', 'what lightning export wrote, into a database without its tenants'],
    ],
  })
    .description('import the state of the legacy system, or an export')
    .option('--tenant <id>', 'the tenant that receives it (default: default); an export names its own')
    .option('--create-missing-agents', 'make an agent for items whose agent has no definition')
    .option(
      '--quarantine <file>',
      'the file for items that cannot be stored (default: quarantine-<time>.jsonl)',
    )
    .option('--dry-run', 'read the files, say what would be imported, and stop')
    .option(
      '--legacy-timezone <offset>',
      'the offset of times in JSON files without a zone (default: +02:00)',
    )
    .option('--report <file>', 'the file for the report as JSON')
    .action(async (folder: string, flags: ImportFlags) =>
      (await isExport(folder)) ? importExport(context, folder, flags) : importLegacy(context, folder, flags),
    );
}

async function importLegacy(
  context: CommandContext,
  folder: string,
  { tenant, createMissingAgents, quarantine, dryRun, report, legacyTimezone: clock }: ImportFlags,
): Promise<void> {
  if (clock !== undefined && !isOffset(clock))
    throw new UsageError(
      `--legacy-timezone is ${JSON.stringify(clock)}; expected an offset from UTC, such as +02:00`,
    );
  if (dryRun) return printPlan(context, folder, clock);
  return asOperator(
    context,
    'make',
    async (installation) => {
      const status = await importCommand({
        installation,
        folder,
        tenantId: tenant ?? 'default',
        createMissingAgents: createMissingAgents ?? false,
        quarantineFile: quarantine ?? `quarantine-${new Date().toISOString().replaceAll(':', '')}.jsonl`,
        clock,
        reportFile: report ?? null,
        out: process.stdout,
        progress: process.stderr,
      });
      context.setExitStatus(status);
    },
    'imports',
  );
}

/** The export is checked before the database is opened. */
async function importExport(context: CommandContext, folder: string, flags: ImportFlags): Promise<void> {
  const { showProgress, print } = context;
  const [given] = Object.keys(flags);
  if (given !== undefined) {
    const flag = given.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new UsageError(
      `${folder} is an export, which names its tenants and has nothing to quarantine: leave out --${flag}`,
    );
  }
  const signal = untilAborted();
  const opened = await openExport(folder, backupKeys(configure(context).backup), showProgress, signal);
  await asOperator(
    context,
    'make',
    async (installation) => {
      const rows = await loadExport({ installation, opened, onProgress: showProgress, signal });
      const { id, tables } = opened.manifest;
      for (const { table, rows: count, sha256 } of tables) print(`${table}\t${count}\t${sha256}`);
      print(`imported ${rows} rows of ${tables.length} tables from ${id}; each is what the export has`);
    },
    'imports',
  );
}

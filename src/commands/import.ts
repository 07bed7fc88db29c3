import type { Command } from 'commander';
import { backupKeys } from '../backup/store/open-store.ts';
import type { Installation } from '../db/installation.ts';
import { loadExport } from '../export/load-export.ts';
import { isExport, openExport } from '../export/open-export.ts';
import { formatReport, isComplete } from '../import/format-report.ts';
import { ImportError, importFolder } from '../import/import-folder.ts';
import type { ImportReport } from '../import/import-folder.ts';
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
  /** File for refused items. It is written only when there are any, and replaces an earlier run's file. */
  readonly quarantineFile: string;
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
  try {
    report = await importFolder({
      installation,
      folder,
      tenantId,
      createMissingAgents,
      onRefused: (refusals) => quarantine.add(refusals),
      onProgress: (progress) => display.show(progress),
    });
  } catch (error) {
    throw error instanceof ImportError ? new UsageError(error.message, { cause: error }) : error;
  } finally {
    display.end();
  }
  out.write(`${formatReport(report, quarantine.lines > 0 ? quarantine.path : null)}\n`);
  return report.stores.every(isComplete) ? 0 : 1;
}

/** Flags of `lightning import`. */
interface ImportFlags {
  readonly tenant?: string;
  readonly createMissingAgents?: true;
  readonly quarantine?: string;
}

/** `lightning import` */
export function addImport(program: Command, context: CommandContext): void {
  explain(program.command('import <folder>'), {
    variables: [...databaseVariables, 'MIGRATE_DATABASE_URL'],
    examples: [
      ['lightning import ./legacy --create-missing-agents', 'into the default tenant'],
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
    .action(async (folder: string, flags: ImportFlags) =>
      (await isExport(folder)) ? importExport(context, folder, flags) : importLegacy(context, folder, flags),
    );
}

function importLegacy(
  context: CommandContext,
  folder: string,
  { tenant, createMissingAgents, quarantine }: ImportFlags,
): Promise<void> {
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

import type { Command } from 'commander';
import { backupKeys } from '../backup/store/open-store.ts';
import type { Installation } from '../db/installation.ts';
import { loadExport } from '../export/load-export.ts';
import { refuseOtherTenant } from '../export/narrow-export.ts';
import { isExport, openExport } from '../export/open-export.ts';
import { formatPlan } from '../import/format-report.ts';
import { importFolder } from '../import/import-folder.ts';
import { isOffset } from '../import/local-time.ts';
import { planImport } from '../import/plan-import.ts';
import { isLegacyFolder } from '../import/read-stores.ts';
import type { OnProgress } from '../on-progress.ts';
import { findSources } from '../table-import/find-sources.ts';
import type { FoundSources } from '../table-import/find-sources.ts';
import { importTables, planImportOfTables, planOfTables } from '../table-import/import-tables.ts';
import type { CommandContext } from './command-context.ts';
import { configure } from './configure.ts';
import { databaseVariables, explain } from './explain.ts';
import { asOperator } from './database-access.ts';
import { backUpFirst } from './back-up-first.ts';
import { asUsage, reportImport } from './report-import.ts';
import type { ImportOutput } from './report-import.ts';
import { untilAborted } from './signals.ts';
import { UsageError } from './usage-error.ts';

/** `lightning import FOLDER`, of a folder of the legacy system */
export interface ImportCommand extends ImportOutput {
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
  /** Called once everything is read, before anything is written. */
  readonly beforeWriting?: () => Promise<void>;
}

/**
 * Imports a folder of the legacy system, as `reportImport` reports it. Throws UsageError when the folder has nothing to import or the tenant
 * does not exist.
 */
export function importCommand(command: ImportCommand): Promise<number> {
  const { installation, folder, tenantId, createMissingAgents, clock, beforeWriting } = command;
  return reportImport(command, (hooks) =>
    importFolder({ installation, folder, tenantId, createMissingAgents, clock, beforeWriting, ...hooks }),
  );
}

/** `lightning import PATH...`, of files with rows of our own tables */
export interface ImportTablesCommand extends ImportOutput {
  /** As in ImportCommand. */
  readonly installation: Installation;
  readonly found: FoundSources;
  /** The table of every file; null: the name of each says which. */
  readonly table: string | null;
  readonly tenantId: string;
  /** As in TableImport. */
  readonly onReading?: OnProgress;
  readonly signal: AbortSignal;
  /** As in ImportCommand. */
  readonly beforeWriting?: () => Promise<void>;
}

/** Imports files with rows of our own tables, as `reportImport` reports it. Throws UsageError when a file cannot be imported. */
export function importTablesCommand(command: ImportTablesCommand): Promise<number> {
  return reportImport(command, async (hooks) => {
    const plans = await planImportOfTables(command);
    await command.beforeWriting?.();
    return importTables(command, plans, hooks);
  });
}

/** Flags of `lightning import`. */
interface ImportFlags {
  readonly tenant?: string;
  readonly table?: string;
  readonly createMissingAgents?: true;
  readonly quarantine?: string;
  readonly dryRun?: true;
  readonly legacyTimezone?: string;
  readonly report?: string;
  readonly withoutBackup?: true;
}

/** `lightning import` */
export function addImport(program: Command, context: CommandContext): void {
  explain(program.command('import <path...>'), {
    variables: [...databaseVariables, 'MIGRATE_DATABASE_URL', 'BACKUP_DATABASE_URL', 'BACKUP_STORE'],
    examples: [
      ['lightning import tasks.jsonl knowledge.csv.gz', 'rows of tables, by column name'],
      ['lightning import dump/ --dry-run', 'what would be imported'],
      ['zcat points.gz | lightning import - --table metrics', 'standard input'],
      ['lightning import ./legacy --create-missing-agents', 'the legacy system, into the default tenant'],
      ['lightning import ./export', 'what lightning export wrote, into a database without its tenants'],
    ],
  })
    .description('import rows of tables, the state of the legacy system, or an export')
    .option(
      '--tenant <id>',
      'the tenant that receives it (default: default); of an export of everything the only one to load',
    )
    .option('--table <name>', 'the table of the rows (default: what the name of each file says)')
    .option('--create-missing-agents', 'legacy: make an agent for items whose agent has no definition')
    .option(
      '--quarantine <file>',
      'the file for items that cannot be stored (default: quarantine-<time>.jsonl)',
    )
    .option('--dry-run', 'read the files, say what would be imported, and stop')
    .option(
      '--legacy-timezone <offset>',
      'legacy: the offset of times in JSON files without a zone (default: +02:00)',
    )
    .option('--report <file>', 'the file for the report as JSON')
    .option('--without-backup', 'take no backup before anything is written')
    .action(async (paths: string[], flags: ImportFlags) => {
      const [folder = ''] = paths;
      const kinds = await Promise.all(paths.map(kindOf));
      const alone = kinds.findIndex((kind) => kind !== 'tables');
      if (paths.length > 1 && alone >= 0)
        throw new UsageError(
          `${paths[alone]} is ${kinds[alone] === 'export' ? 'an export' : 'a folder of the legacy system'}: import it by itself`,
        );
      if (kinds[0] === 'export') return importExport(context, folder, flags);
      return kinds[0] === 'legacy'
        ? importLegacy(context, folder, flags)
        : importFiles(context, paths, flags);
    });
}

/** What a path leads to. */
async function kindOf(path: string): Promise<'export' | 'legacy' | 'tables'> {
  if (await isExport(path)) return 'export';
  return (await isLegacyFolder(path)) ? 'legacy' : 'tables';
}

async function importLegacy(
  context: CommandContext,
  folder: string,
  { tenant, createMissingAgents, dryRun, legacyTimezone: clock, table, withoutBackup, ...flags }: ImportFlags,
): Promise<void> {
  if (table !== undefined)
    throw new UsageError(
      `${folder} is of the legacy system, whose files say their tables: leave out --table`,
    );
  if (clock !== undefined && !isOffset(clock))
    throw new UsageError(
      `--legacy-timezone is ${JSON.stringify(clock)}; expected an offset from UTC, such as +02:00`,
    );
  if (dryRun) {
    context.print(formatPlan(await asUsage(() => planImport(folder, clock))));
    return;
  }
  const signal = untilAborted();
  await asOperator(
    context,
    'make',
    async (installation) => {
      const without = withoutBackup ?? false;
      const status = await importCommand({
        installation,
        beforeWriting: () => backUpFirst(context, installation, { without, signal }),
        folder,
        tenantId: tenant ?? 'default',
        createMissingAgents: createMissingAgents ?? false,
        clock,
        ...outputOf(flags),
      });
      context.setExitStatus(status);
    },
    'imports',
  );
}

async function importFiles(
  context: CommandContext,
  paths: readonly string[],
  { tenant, table, dryRun, createMissingAgents, legacyTimezone, withoutBackup, ...flags }: ImportFlags,
): Promise<void> {
  if (createMissingAgents || legacyTimezone !== undefined)
    throw new UsageError(
      `${createMissingAgents ? '--create-missing-agents' : '--legacy-timezone'} is for a folder of the legacy system, and ${paths.join(', ')} is not one`,
    );
  if (table === '') throw new UsageError('--table is empty; expected the name of a table');
  const signal = untilAborted();
  const found = await asUsage(() => findSources(paths, process.stdin));
  try {
    await asOperator(
      context,
      dryRun ? 'look' : 'make',
      async (installation) => {
        const options = {
          installation,
          found,
          table: table ?? null,
          tenantId: tenant ?? 'default',
          onReading: context.showProgress,
          signal,
        };
        if (dryRun) {
          const plans = await asUsage(() => planImportOfTables(options));
          context.print(formatPlan(planOfTables(plans, found)));
          return;
        }
        const without = withoutBackup ?? false;
        const beforeWriting = () => backUpFirst(context, installation, { without, signal });
        context.setExitStatus(await importTablesCommand({ ...options, beforeWriting, ...outputOf(flags) }));
      },
      'imports',
    );
  } finally {
    await found.close();
  }
}

function outputOf({ quarantine, report }: Pick<ImportFlags, 'quarantine' | 'report'>): ImportOutput {
  return {
    quarantineFile: quarantine ?? `quarantine-${new Date().toISOString().replaceAll(':', '')}.jsonl`,
    reportFile: report ?? null,
    out: process.stdout,
    progress: process.stderr,
  };
}

/** The export is checked before the database is opened. */
async function importExport(context: CommandContext, folder: string, flags: ImportFlags): Promise<void> {
  const { showProgress, print } = context;
  const { tenant = null, ...others } = flags;
  const [given] = Object.keys(others);
  if (given !== undefined) {
    const flag = given.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new UsageError(
      `${folder} is an export, which has its own tenants and nothing to quarantine: leave out --${flag}`,
    );
  }
  const signal = untilAborted();
  const opened = await openExport(folder, backupKeys(configure(context).backup), showProgress, signal);
  if (tenant !== null) await refuseOtherTenant(opened, tenant);
  await asOperator(
    context,
    'make',
    async (installation) => {
      const what = { installation, opened, tenant, onProgress: showProgress, signal };
      const { rows, manifest } = await loadExport(what);
      const { id, tables } = manifest;
      for (const { table, rows: count, sha256 } of tables) print(`${table}\t${count}\t${sha256}`);
      print(`imported ${rows} rows of ${tables.length} tables from ${id}; each is what the export has`);
    },
    'imports',
  );
}

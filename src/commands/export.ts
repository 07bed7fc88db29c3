import path from 'node:path';
import type { Command } from 'commander';
import { backupKeys } from '../backup/store/open-store.ts';
import { exportDatabase } from '../export/export-database.ts';
import type { Storage } from '../export/manifest.ts';
import type { CommandContext } from './command-context.ts';
import { asExporter } from './database-access.ts';
import { databaseVariables, explain } from './explain.ts';
import { printJson, withJson } from './listing.ts';
import type { ListingFlags } from './listing.ts';
import { untilAborted } from './signals.ts';
import { UsageError } from './usage-error.ts';

/** Flags of `lightning export`. */
interface ExportFlags extends ListingFlags {
  readonly tenant?: string;
  readonly table?: string[];
  readonly audit?: true;
  readonly compress?: string;
  readonly encrypt?: true;
  readonly output?: string;
}

/** `lightning export` */
export function addExport(program: Command, context: CommandContext): void {
  explain(withJson(program.command('export')), {
    variables: [...databaseVariables, 'BACKUP_DATABASE_URL', 'BACKUP_ENCRYPTION_KEY', 'BACKUP_SIGNING_KEY'],
    examples: [
      ['lightning export --output export', 'every table of every tenant, in one snapshot'],
      ['lightning export --tenant acme --compress zstd', 'one tenant, to be imported beside others'],
    ],
  })
    .description('write tables to files that lightning import loads again')
    .option('--tenant <id>', 'only the rows of this tenant')
    .option('--table <name...>', 'only these tables')
    .option('--audit', 'also the audit log and its seals')
    .option('--compress <how>', 'gzip or zstd')
    .option('--encrypt', 'with BACKUP_ENCRYPTION_KEY; this compresses as well')
    .option('--output <folder>', 'the folder to make (default: export-<time>)')
    .action((flags: ExportFlags) => exportNow(context, flags));
}

async function exportNow(context: CommandContext, flags: ExportFlags): Promise<void> {
  const { audit = false, tenant = null, table = null, output } = flags;
  const storage = storageOf(flags);
  if (audit && (tenant !== null || table !== null)) {
    throw new UsageError(
      `--audit and --${tenant === null ? 'table' : 'tenant'} exclude each other: the audit log is sealed as a whole, and cannot be verified without the rest`,
    );
  }
  if (output === '') throw new UsageError('--output is empty');
  const signal = untilAborted();
  const folder = path.resolve(output ?? `export-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}`);
  await asExporter(context, async ({ database, config }) => {
    const keys = backupKeys(config.backup);
    if (storage === 'sealed' && keys.encryptionKey === null) {
      throw new UsageError('--encrypt needs BACKUP_ENCRYPTION_KEY; make one with openssl rand -hex 32');
    }
    const manifest = await exportDatabase({
      database,
      folder,
      tenant,
      tables: table,
      audit,
      storage,
      keys,
      now: () => new Date(),
      onProgress: context.showProgress,
      signal,
    });
    const { tables, notCarried } = manifest;
    const rows = tables.reduce((sum, each) => sum + each.rows, 0);
    if (flags.json) {
      printJson(context, { folder, id: manifest.id, rows, tables, not_carried: notCarried });
      return;
    }
    for (const each of tables) context.print(`${each.table}\t${each.rows}\t${each.sha256}`);
    context.print(`exported ${rows} rows of ${tables.length} tables to ${folder}`);
  });
}

function storageOf({ compress, encrypt }: ExportFlags): Storage {
  if (compress === undefined) return encrypt ? 'sealed' : 'plain';
  if (compress !== 'gzip' && compress !== 'zstd') {
    throw new UsageError(`--compress is ${JSON.stringify(compress)}; expected gzip or zstd`);
  }
  if (encrypt) throw new UsageError('--encrypt compresses by zstd already: leave out --compress');
  return compress;
}

import path from 'node:path';
import type { Command } from 'commander';
import { backupKeys } from '../backup/store/open-store.ts';
import { roleName } from '../db/roles.ts';
import { exportDatabase } from '../export/export-database.ts';
import { exportSql } from '../export/export-sql.ts';
import { endingOf } from '../export/manifest.ts';
import type { Content, Storage } from '../export/manifest.ts';
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
  readonly format?: string;
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
    .option('--format <format>', 'jsonl, which lightning import loads; csv, or sql for psql (default: jsonl)')
    .option('--compress <how>', 'gzip or zstd')
    .option('--encrypt', 'with BACKUP_ENCRYPTION_KEY; this compresses as well')
    .option('--output <folder>', 'the folder to make, of SQL the file (default: export-<time>)')
    .action((flags: ExportFlags) => exportNow(context, flags));
}

async function exportNow(context: CommandContext, flags: ExportFlags): Promise<void> {
  const { audit = false, tenant = null, table: tables = null, output, json } = flags;
  const storage = storageOf(flags);
  const format = formatOf(flags);
  if (audit && (tenant !== null || tables !== null)) {
    throw new UsageError(
      `--audit and --${tenant === null ? 'table' : 'tenant'} exclude each other: the audit log is sealed as a whole, and cannot be verified without the rest`,
    );
  }
  if (output === '') throw new UsageError('--output is empty');
  const signal = untilAborted();
  const ending = format === 'sql' ? `.sql${endingOf(storage)}` : '';
  const folder = path.resolve(
    output ?? `export-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}${ending}`,
  );
  const { showProgress: onProgress, print } = context;
  const what = { folder, tenant, tables, audit, storage, now: () => new Date(), onProgress, signal };
  await asExporter(context, async ({ database, config }) => {
    const keys = backupKeys(config.backup);
    if (storage === 'sealed' && keys.encryptionKey === null) {
      throw new UsageError('--encrypt needs BACKUP_ENCRYPTION_KEY; make one with openssl rand -hex 32');
    }
    if (format === 'sql') {
      const owner = roleName(config.rolePrefix, 'owner');
      const total = await exportSql({ ...what, database, owner });
      if (json) printJson(context, { file: folder, ...total });
      else print(`exported ${total.rows} rows of ${total.tables} tables to ${folder}`);
      return;
    }
    const manifest = await exportDatabase({ ...what, database, content: format, keys });
    const rows = manifest.tables.reduce((sum, each) => sum + each.rows, 0);
    if (json) {
      printJson(context, {
        folder,
        id: manifest.id,
        rows,
        tables: manifest.tables,
        not_carried: manifest.notCarried,
      });
      return;
    }
    for (const each of manifest.tables) print(`${each.table}\t${each.rows}\t${each.sha256}`);
    print(`exported ${rows} rows of ${manifest.tables.length} tables to ${folder}`);
  });
}

function formatOf({ format = 'jsonl', audit, encrypt }: ExportFlags): Content | 'sql' {
  if (format !== 'jsonl' && format !== 'csv' && format !== 'sql') {
    throw new UsageError(`--format is ${JSON.stringify(format)}; expected jsonl, csv or sql`);
  }
  if (format === 'sql' && (audit || encrypt)) {
    throw new UsageError(
      `--format sql and --${audit ? 'audit' : 'encrypt'} exclude each other: psql cannot ${audit ? 'put the entries of a log before those of another' : 'decrypt it'}`,
    );
  }
  return format;
}

function storageOf({ compress, encrypt }: ExportFlags): Storage {
  if (compress === undefined) return encrypt ? 'sealed' : 'plain';
  if (compress !== 'gzip' && compress !== 'zstd') {
    throw new UsageError(`--compress is ${JSON.stringify(compress)}; expected gzip or zstd`);
  }
  if (encrypt) throw new UsageError('--encrypt compresses by zstd already: leave out --compress');
  return compress;
}

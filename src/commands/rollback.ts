import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { backupKeys } from '../backup/store/open-store.ts';
import type { BackupKeys } from '../backup/store/open-store.ts';
import { asOwner } from '../db/installation.ts';
import { readCatalog, select } from '../export/catalog.ts';
import { exportDatabase } from '../export/export-database.ts';
import { loadExport } from '../export/load-export.ts';
import { readReferences } from '../export/load-plan.ts';
import type { Manifest } from '../export/manifest.ts';
import { isExport, openExport } from '../export/open-export.ts';
import { ConnectionsError } from '../open-database.ts';
import { OperationalError } from '../operational-error.ts';
import { announceLoad, endLoad, isImported } from '../rollback/awaited-load.ts';
import { applyBack } from '../rollback/apply-back.ts';
import { choosePart } from '../rollback/part.ts';
import type { Part } from '../rollback/part.ts';
import {
  backFolder,
  hasOtherFiles,
  partFolder,
  readRollback,
  RollbackRefused,
  wholeFolder,
  writeRollback,
} from '../rollback/rollback-file.ts';
import { readStop, stopWrites } from '../rollback/stop-writes.ts';
import type { WaitOptions } from '../rollback/stop-writes.ts';
import type { CommandContext } from './command-context.ts';
import { configure } from './configure.ts';
import { asExporter, asOperator } from './database-access.ts';
import { databaseVariables, explain } from './explain.ts';
import { waitOf } from './writes.ts';
import type { WaitFlags } from './writes.ts';
import { UsageError } from './usage-error.ts';

/** A step that a person takes did not happen in time. What was done stays, and the command can be run again. */
export class StepMissing extends OperationalError {
  override name = 'StepMissing';
}

/** Flags of `lightning rollback`. */
interface RollbackFlags extends WaitFlags {
  readonly table?: string[];
  readonly wait?: string;
}

const mostWaitSeconds = 86_400;

/** What goes into memory may have this size as lines of JSON: the process in memory has 4 GB at most. */
const mostBytesInMemory = 1024 ** 3;

/** `lightning rollback` */
export function addRollback(program: Command, context: CommandContext): void {
  const variables = [
    ...databaseVariables,
    'USE_DATABASE',
    'MIGRATE_DATABASE_URL',
    'BACKUP_DATABASE_URL',
  ] as const;
  const within = [
    '--within <seconds>',
    'how long to wait for transactions that write (default: 60)',
  ] as const;
  const rollback = explain(program.command('rollback'), {
    variables,
    examples: [
      ['lightning rollback to-memory way', 'go on without the database; way is a new folder'],
      ['lightning rollback to-database way', 'and back again, with what was written meanwhile'],
    ],
  }).description('go on in memory for a while, without the database, and come back (docs/rollback.md)');
  explain(rollback.command('to-memory <folder>'), {
    variables,
    examples: [['lightning rollback to-memory way --table agents tasks', 'choose what goes along']],
  })
    .description(
      'stop writes, export, switch, start, import critical data; run it again to go on where it ended',
    )
    .option('--table <name...>', 'what goes along, in place of agents, open tasks, workflows and knowledge')
    .option('--wait <seconds>', 'how long to wait for the process in memory (default: 600)')
    .option(...within)
    .action((folder: string, flags: RollbackFlags) => toMemory(context, path.resolve(folder), flags));
  explain(rollback.command('to-database <folder>'), {
    variables,
    examples: [['lightning rollback to-database way', 'the folder of to-memory']],
  })
    .description('stop writes in memory, bring what was written into the database, and let writes in again')
    .option(...within)
    .action((folder: string, flags: WaitFlags) => toDatabase(context, path.resolve(folder), flags));
}

/** The same context with another choice between the database and memory. */
function choosing(context: CommandContext, useDatabase: boolean): CommandContext {
  const given = { USE_DATABASE: String(useDatabase) };
  const { environment } = context;
  return {
    ...context,
    environment: {
      ...environment,
      variables: { ...environment.variables, ...given },
      exported: { ...environment.exported, ...given },
    },
  };
}

async function toMemory(given: CommandContext, folder: string, flags: RollbackFlags): Promise<void> {
  const context = choosing(given, true);
  const { print } = context;
  const wait = waitOf(flags, context);
  const waitSeconds = secondsOf(flags.wait ?? '600');
  const { dataDirectory } = configure(context);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const begun = await readRollback(folder);
  if (begun === null && (await hasOtherFiles(folder)))
    throw new UsageError(`${folder} has other files; expected a new folder, or that of a rollback`);
  const tables = begun === null ? (flags.table ?? null) : begun.tables;
  if (begun !== null && flags.table !== undefined && flags.table.join() !== tables?.join())
    throw new UsageError(`${folder} was begun with other tables; leave out --table to go on with it`);

  const id = await asOperator(
    context,
    'change',
    async (installation) => {
      const owner = asOwner(installation);
      // Names that cannot go along are refused before anything is stopped.
      const part = await partOf(owner, tables);
      const found = await readStop(owner);
      if (begun !== null && found?.id !== begun.stop)
        throw new RollbackRefused(
          `${folder} is of another rollback: the database ${found === null ? 'takes writes again' : 'was stopped anew'}; expected a new folder`,
        );
      const { stop, notStopped } = await stopWrites(owner, 'the way to memory (lightning rollback)', wait);
      print(`1/5 writes are stopped since ${stop.stoppedAt}; reads go on`);
      for (const table of notStopped)
        print(`    ${table} belongs to another role, and goes on taking writes`);
      await writeRollback(folder, { stop: stop.id, tables });
      return exportBoth(context, folder, part);
    },
    'imports',
  );

  const critical = path.join(folder, partFolder);
  await announceLoad(dataDirectory, id);
  if (!(await isServedFromMemory(context))) {
    print('3/5 switch: end lightning start, serve and work, wherever they run');
    print(
      '4/5 start: USE_DATABASE=false lightning start, with the same DATA_DIR and the same keys of tokens',
    );
  }
  await untilServed(context, waitSeconds, wait);
  await importPart(context, critical, wait);
  print(`    to come back: lightning rollback to-database ${path.relative(process.cwd(), folder) || '.'}`);
}

async function partOf(
  owner: Parameters<typeof readCatalog>[0],
  tables: readonly string[] | null,
): Promise<Part> {
  const { carried } = select(await readCatalog(owner), { audit: false, ofTenant: false });
  return choosePart(
    carried.map(({ name }) => name),
    await readReferences(owner),
    tables,
  );
}

/** The whole export, which is kept, and the part that goes into memory. Writes are stopped, so both are of the same rows. Returns the id of the part. */
async function exportBoth(context: CommandContext, folder: string, part: Part): Promise<string> {
  const { print, showProgress: onProgress } = context;
  return asExporter(context, async ({ database, config }) => {
    const keys = backupKeys(config.backup);
    const common = {
      database,
      tenant: null,
      audit: false,
      content: 'jsonl',
      storage: 'zstd',
      keys,
      now: () => new Date(),
      onProgress,
    } as const;
    const whole = path.join(folder, wholeFolder);
    const critical = path.join(folder, partFolder);
    const conditions = new Map([...part].filter(([, where]) => where !== ''));
    const all = sizeOf(
      await madeExport(whole, keys, onProgress, () =>
        exportDatabase({ ...common, folder: whole, tables: null }),
      ),
    );
    const manifest = await madeExport(critical, keys, onProgress, () =>
      exportDatabase({ ...common, folder: critical, tables: [...part.keys()], conditions }),
    );
    const some = sizeOf(manifest);
    print(`2/5 exported ${all.rows} rows to ${whole}, and ${some.rows} of them to ${critical} to go along`);
    if (some.bytes > mostBytesInMemory)
      throw new UsageError(
        `${some.bytes} bytes would go into memory, and ${mostBytesInMemory} fit: begin anew in another folder with fewer tables (--table), after lightning writes start`,
      );
    return manifest.id;
  });
}

/** The export in a folder, which is checked; one that is missing is made. */
async function madeExport(
  folder: string,
  keys: BackupKeys,
  onProgress: WaitOptions['onProgress'],
  make: () => Promise<Manifest>,
): Promise<Manifest> {
  return (await isExport(folder)) ? (await openExport(folder, keys, onProgress)).manifest : make();
}

function sizeOf({ tables }: Manifest): { readonly rows: number; readonly bytes: number } {
  return tables.reduce((sum, { rows, bytes }) => ({ rows: sum.rows + rows, bytes: sum.bytes + bytes }), {
    rows: 0,
    bytes: 0,
  });
}

/** Whether the process in memory is there with its schema. */
async function isServedFromMemory(context: CommandContext): Promise<boolean> {
  try {
    await asExporter(choosing({ ...context, log: () => {} }, false), async () => {});
    return true;
  } catch (error) {
    // There is no process, or it is still making its schema.
    if (error instanceof ConnectionsError) return false;
    throw error;
  }
}

async function untilServed(context: CommandContext, seconds: number, { signal }: WaitOptions): Promise<void> {
  const until = performance.now() + seconds * 1_000;
  while (!(await isServedFromMemory(context))) {
    if (performance.now() >= until) {
      throw new StepMissing(
        `no process serves from memory after ${seconds} s. Writes stay stopped. Start it and run this command again, or give up with lightning writes start`,
      );
    }
    context.showProgress(null, 'waiting for USE_DATABASE=false lightning start');
    await pause(500, undefined, { signal });
  }
}

/** Loads the critical data, unless the process in memory has them. One that has other rows already is refused by name. */
async function importPart(context: CommandContext, folder: string, { signal }: WaitOptions): Promise<void> {
  const { print, showProgress: onProgress } = context;
  const memory = choosing(context, false);
  const opened = await openExport(folder, backupKeys(configure(memory).backup), onProgress, signal);
  const { id, tables } = opened.manifest;
  await asOperator(memory, 'change', async (installation) => {
    if (await isImported(asOwner(installation), id)) {
      print('5/5 the critical data were imported before');
      return;
    }
    await loadExport({ installation, opened, tenant: null, onProgress, signal });
    for (const { table, rows } of tables) if (rows > 0) print(`    ${table}\t${rows}`);
    print('5/5 the critical data are in memory; each row was read back and is what the export has');
  });
}

async function toDatabase(given: CommandContext, folder: string, flags: WaitFlags): Promise<void> {
  const { print, showProgress: onProgress } = given;
  const database = choosing(given, true);
  const memory = choosing(given, false);
  const wait = waitOf(flags, given);
  const begun = await readRollback(folder);
  if (begun === null)
    throw new UsageError(`${folder} has no rollback; expected the folder of lightning rollback to-memory`);
  const { backup, dataDirectory } = configure(database);
  const keys = backupKeys(backup);
  const critical = path.join(folder, partFolder);
  if (!(await isExport(critical)))
    throw new UsageError(
      `nothing has gone into memory yet: run lightning rollback to-memory ${folder} to its end first`,
    );
  const { manifest: went } = await openExport(critical, keys, onProgress);
  const imported = went.id;
  await asOperator(memory, 'change', async (installation) => {
    const owner = asOwner(installation);
    if (!(await isImported(owner, imported))) {
      throw new RollbackRefused(
        `the process in memory does not have the critical data of ${folder}: they have not been loaded, or it was started anew and has lost them with everything that was written there. Load them with lightning rollback to-memory ${folder}, or leave the database as it was with lightning writes start`,
      );
    }
    const { stop } = await stopWrites(owner, 'the way back to the database', wait);
    print(`1/4 writes in memory are stopped since ${stop.stoppedAt}`);
  });
  const back = path.join(folder, `${backFolder}-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}`);
  await asExporter(memory, async ({ database: source }) => {
    const { tables } = await exportDatabase({
      database: source,
      folder: back,
      tenant: null,
      tables: null,
      audit: true,
      content: 'jsonl',
      storage: 'zstd',
      keys,
      now: () => new Date(),
      onProgress,
    });
    const rows = tables.reduce((sum, each) => sum + each.rows, 0);
    print(`2/4 exported ${rows} rows of memory to ${back}, with its audit log`);
  });
  const opened = await openExport(back, keys, onProgress, wait.signal);
  await asOperator(
    database,
    'change',
    async (installation) => {
      const part = await partOf(asOwner(installation), begun.tables);
      const changes = await applyBack({
        installation,
        opened,
        part,
        imported,
        stop: begun.stop,
        onProgress,
        signal: wait.signal,
      });
      if (changes === null) print('3/4 what was written in memory had been brought back before');
      else {
        for (const { table, written, deleted } of changes)
          print(`    ${table}\t${written} written\t${deleted} deleted`);
        print(
          '3/4 the database has what was written in memory; each row was read back. It takes writes again',
        );
      }
    },
    'imports',
  );
  await endLoad(dataDirectory);
  print(
    '4/4 switch back: end the process in memory, and start lightning start, or serve and work, as before',
  );
}

function secondsOf(text: string): number {
  const seconds = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (seconds < 1 || seconds > mostWaitSeconds)
    throw new UsageError(
      `--wait is ${JSON.stringify(text)}; expected a number of seconds from 1 to ${mostWaitSeconds}`,
    );
  return seconds;
}

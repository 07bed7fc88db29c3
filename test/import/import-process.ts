import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { migratedDatabase } from '../support/db.ts';
import { spawnLightning } from '../support/lightning.ts';
import type { Finished, Spawned } from '../support/lightning.ts';
import { peakMemory } from '../support/peak-memory.ts';

/** How much more memory a file that is refused may take than the command itself. */
const moreMebibytes = 300;

/** `lightning import` as a process, on a server. */
export interface ImportProcess {
  readonly admin: Client;
  /** The folder of its files. */
  readonly folder: string;
  /** Starts it without a backup. Paths are in the folder. */
  readonly start: (args: readonly string[]) => Spawned;
  /** Runs it, with nothing or these bytes as standard input. The memory is the most that it had, in MiB. */
  readonly run: (args: readonly string[], input?: Buffer) => Promise<Finished & { readonly memory: number }>;
  /**
   * The message with which the command refuses to begin: one line, the exit status of a wrong command line, nothing changed, memory flat.
   * Otherwise what was different.
   */
  readonly problemOf: (args: readonly string[], input?: Buffer) => Promise<string>;
  /** Whether so much memory is that of the command itself, and not of a file. */
  readonly isFlat: (memory: number) => boolean;
  readonly close: () => Promise<void>;
}

/** Makes a database and a folder for it. */
export async function importProcess(): Promise<ImportProcess> {
  const made = await migratedDatabase();
  const admin = new Client({ connectionString: made.adminUrl });
  await admin.connect();
  const folder = await mkdtemp(path.join(tmpdir(), 'lt-process-'));
  const env = { DATABASE_URL: made.urls.api, MIGRATE_DATABASE_URL: made.urls.migrate };

  const start = (args: readonly string[], backup: readonly string[] = ['--without-backup']): Spawned => {
    const paths = args.map((arg) => (arg.startsWith('-') ? arg : path.join(folder, arg)));
    const quarantine = `--quarantine=${path.join(folder, 'quarantine')}`;
    return spawnLightning(['import', ...paths, quarantine, ...backup], env);
  };
  const rows = async (): Promise<number> =>
    Number((await admin.query('select count(*) as n from app_public.agents')).rows[0].n);
  const run: ImportProcess['run'] = async (args, input) => {
    // The first import of all is into a database without rows, which needs no backup.
    const { rows: any } = await admin.query(
      'select from app_public.agents union all select from app_public.knowledge limit 1',
    );
    const started = start(args, any.length > 0 ? ['--without-backup'] : []);
    started.process.stdin.on('error', () => {});
    started.process.stdin.end(input);
    const memory = await peakMemory(started.process);
    return { ...(await started.ended), memory };
  };
  const base = (await run(['nowhere'])).memory;
  // Where the system does not tell a process's memory, both are 0.
  const isFlat = (memory: number): boolean => memory - base < moreMebibytes;
  return {
    admin,
    folder,
    start,
    run,
    isFlat,
    problemOf: async (args, input) => {
      const before = await rows();
      const { status, stdout, stderr, memory } = await run(args, input);
      const changed = (await rows()) - before;
      const messages = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('    reading '));
      return status === 2 && stdout === '' && changed === 0 && messages.length === 1 && isFlat(memory)
        ? (messages[0] ?? '')
        : `not refused as it should be: ${JSON.stringify({ status, stdout, stderr, changed, memory, base })}`;
    },
    close: async () => {
      await admin.end();
      await made.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { formatPlan } from '../../src/import/format-report.ts';
import { importTablesCommand } from '../../src/commands/import.ts';
import { findSources } from '../../src/table-import/find-sources.ts';
import { planImportOfTables, planOfTables } from '../../src/table-import/import-tables.ts';
import { installationIn } from '../support/installation.ts';
import { onEmbedded, onServer } from '../import/import-target.ts';
import type { ImportTarget } from '../import/import-target.ts';
import type { Refused } from '../import/legacy-folder.ts';

/** What an import of tables printed, and the lines of its quarantine file. */
export interface TablesRun {
  readonly status: number;
  readonly text: string;
  readonly last: string;
  readonly refused: readonly Refused[];
  readonly report: Readonly<Record<string, unknown>>;
}

/** Files for an import, and the options of it. */
export interface Wanted {
  readonly table?: string;
  readonly input?: Buffer;
  readonly signal?: AbortSignal;
}

/** A database for imports of tables, with tenants and files that a test makes. */
export interface TablesBench {
  readonly target: ImportTarget;
  readonly scratch: string;
  readonly rows: (text: string, ...values: unknown[]) => Promise<Record<string, unknown>[]>;
  readonly tenant: () => Promise<{
    readonly id: string;
    /** Imports files, of which those that are not absolute are in the scratch folder. */
    readonly run: (paths: string | readonly string[], wanted?: Wanted) => Promise<TablesRun>;
    readonly plan: (paths: string | readonly string[], wanted?: Wanted) => Promise<string>;
    readonly audit: () => Promise<number>;
  }>;
  /** Writes files into a new folder, and returns it. */
  readonly folder: (files: Readonly<Record<string, string | Buffer>>) => Promise<string>;
  readonly close: () => Promise<void>;
}

/** Opens a bench on a server, or on an embedded database. */
export async function tablesBench(on: 'server' | 'embedded'): Promise<TablesBench> {
  const scratch = await mkdtemp(path.join(tmpdir(), 'lt-tables-'));
  const target = await (on === 'server' ? onServer() : onEmbedded());
  const rows: TablesBench['rows'] = async (text, ...values) => (await target.admin.query(text, values)).rows;
  let made = 0;
  return {
    target,
    scratch,
    rows,
    tenant: async () => {
      made += 1;
      const id = `tenant_${made}`;
      await rows('insert into app_public.tenants (id, name) values ($1, $1)', id);
      const quarantineFile = path.join(scratch, `${id}.quarantine`);
      const reportFile = path.join(scratch, `${id}.report`);
      const optionsOf = async (paths: string | readonly string[], { table, input, signal }: Wanted = {}) => ({
        installation: installationIn(target.database),
        found: await findSources([paths].flat(), Readable.from(input === undefined ? [] : [input])),
        table: table ?? null,
        tenantId: id,
        signal: signal ?? new AbortController().signal,
      });
      return {
        id,
        run: async (paths, wanted) => {
          await rm(quarantineFile, { force: true });
          const [out, progress] = [new PassThrough(), new PassThrough()];
          const options = await optionsOf(paths, wanted);
          try {
            const status = await importTablesCommand({
              ...options,
              quarantineFile,
              reportFile,
              out,
              progress,
            });
            const text = String(out.read());
            const refused = existsSync(quarantineFile)
              ? (await readFile(quarantineFile, 'utf8')).trimEnd().split('\n')
              : [];
            return {
              status,
              text,
              last: text.trimEnd().split('\n').at(-1) ?? '',
              refused: refused.map((line) => JSON.parse(line) as Refused),
              report: JSON.parse(await readFile(reportFile, 'utf8')) as TablesRun['report'],
            };
          } finally {
            await options.found.close();
          }
        },
        plan: async (paths, wanted) => {
          const options = await optionsOf(paths, wanted);
          return formatPlan(planOfTables(await planImportOfTables(options), options.found));
        },
        audit: async () =>
          Number((await rows('select count(*) as n from audit.log where tenant_id = $1', id))[0]?.['n']),
      };
    },
    folder: async (files) => {
      const folder = await mkdtemp(path.join(scratch, 'folder-'));
      for (const [name, content] of Object.entries(files)) {
        await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
        await writeFile(path.join(folder, name), content);
      }
      return folder;
    },
    close: async () => {
      await target.close();
      await rm(scratch, { recursive: true, force: true });
    },
  };
}

/** Rows as JSON Lines. */
export function lines(...rows: readonly unknown[]): string {
  return rows.map((row) => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`).join('');
}

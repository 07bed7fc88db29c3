import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { importCommand } from '../../src/commands/import.ts';
import { installationIn } from '../support/installation.ts';
import { onEmbedded, onServer } from './import-target.ts';
import type { ImportTarget } from './import-target.ts';

/** A line of the quarantine file. */
export type Refused = Readonly<Record<string, unknown>> & { readonly reason: string };

/** What an import printed, and the lines of its quarantine file. */
export interface Run {
  readonly status: number;
  readonly text: string;
  /** The equations of the last line, by store. */
  readonly counts: Readonly<Record<string, string>>;
  readonly refused: readonly Refused[];
}

/** A database for imports, with folders and tenants that a test makes. */
export interface ImportBench {
  readonly admin: ImportTarget['admin'];
  readonly rows: (text: string, ...values: unknown[]) => Promise<Record<string, unknown>[]>;
  /** A new tenant, and a way to import into it. */
  readonly tenant: () => Promise<{
    readonly id: string;
    readonly run: (
      folder: string,
      options?: {
        readonly createMissingAgents?: boolean;
        readonly reportFile?: string;
        readonly clock?: string;
      },
    ) => Promise<Run>;
    readonly audit: () => Promise<number>;
  }>;
  /** Writes a folder of the legacy system. Texts and bytes are written as they are, everything else as JSON. */
  readonly folder: (files: Readonly<Record<string, unknown>>) => Promise<string>;
  readonly close: () => Promise<void>;
}

/** Opens a bench on a server, or on an embedded database. */
export async function importBench(on: 'server' | 'embedded'): Promise<ImportBench> {
  const scratch = await mkdtemp(path.join(tmpdir(), 'lt-stores-'));
  const target = await (on === 'server' ? onServer() : onEmbedded());
  const rows: ImportBench['rows'] = async (text, ...values) => (await target.admin.query(text, values)).rows;
  let made = 0;
  return {
    admin: target.admin,
    rows,
    tenant: async () => {
      made += 1;
      const id = `tenant_${made}`;
      await rows('insert into app_public.tenants (id, name) values ($1, $1)', id);
      const quarantineFile = path.join(scratch, `${id}.jsonl`);
      return {
        id,
        run: async (folder, { createMissingAgents = false, reportFile = null, clock } = {}) => {
          await rm(quarantineFile, { force: true });
          const [out, progress] = [new PassThrough(), new PassThrough()];
          const installation = installationIn(target.database);
          const wanted = { folder, tenantId: id, createMissingAgents, quarantineFile, reportFile, clock };
          const status = await importCommand({ installation, ...wanted, out, progress });
          const text = String(out.read());
          const equations = text.trimEnd().split('\n').at(-1)?.split('; ') ?? [];
          const lines = existsSync(quarantineFile)
            ? (await readFile(quarantineFile, 'utf8')).trimEnd().split('\n')
            : [];
          return {
            status,
            text,
            counts: Object.fromEntries(equations.map((each) => each.split(': read ') as [string, string])),
            refused: lines.map((line) => JSON.parse(line) as Refused),
          };
        },
        audit: async () =>
          Number((await rows('select count(*) as n from audit.log where tenant_id = $1', id))[0]?.['n']),
      };
    },
    folder: async (files) => {
      const folder = await mkdtemp(path.join(scratch, 'folder-'));
      for (const [name, content] of Object.entries(files)) {
        await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
        const isRaw = typeof content === 'string' || Buffer.isBuffer(content);
        await writeFile(path.join(folder, name), isRaw ? content : JSON.stringify(content));
      }
      return folder;
    },
    close: async () => {
      await target.close();
      await rm(scratch, { recursive: true, force: true });
    },
  };
}

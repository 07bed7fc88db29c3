import { claimsOf } from '../auth/claims.ts';
import type { Installation } from '../db/installation.ts';
import { roleName } from '../db/roles.ts';
import { printSettings } from '../export/lines.ts';
import { readReferences } from '../export/load-plan.ts';
import { checkTenant } from '../import/import-folder.ts';
import type { ImportProgress, ImportReport, StoreReport } from '../import/import-folder.ts';
import type { ImportPlan } from '../import/plan-import.ts';
import type { Refusal } from '../import/quarantine.ts';
import type { Importer } from '../import/staging.ts';
import type { OnProgress } from '../on-progress.ts';
import type { FoundSources } from './find-sources.ts';
import { loadTable } from './load-table.ts';
import { planTables } from './plan-tables.ts';
import type { TablePlan } from './plan-tables.ts';
import { readTables } from './writable-tables.ts';

/** Files with rows of our own tables, and the tenant that receives them. */
export interface TableImport {
  readonly installation: Installation;
  readonly tenantId: string;
  readonly found: FoundSources;
  /** The table of every file; null: the name of each says which. */
  readonly table: string | null;
  /** Receives the progress of the plan, which reads every file. */
  readonly onReading?: OnProgress;
  readonly signal: AbortSignal;
}

/** What is told while tables are imported. */
export interface TableImportHooks {
  readonly onRefused: (refusals: readonly Refusal[]) => Promise<void>;
  readonly onProgress: (progress: ImportProgress) => void;
}

/**
 * Finds out what an import would do. Every file is read to its end, and nothing is changed. Rejects with ImportError when a file cannot be
 * imported, or the tenant does not exist.
 */
export async function planImportOfTables(options: TableImport): Promise<readonly TablePlan[]> {
  const { installation, tenantId, found, table, signal, onReading: onProgress = () => {} } = options;
  const importer = importerOf(options);
  await checkTenant(importer, tenantId);
  const [tables, references] = await installation.database.transaction(
    { ...printSettings, role: roleName(installation.rolePrefix, 'owner') },
    async (transaction) =>
      [await readTables(transaction, installation.rolePrefix), await readReferences(transaction)] as const,
  );
  return planTables({ sources: found.sources, table, tenantId, tables, references, onProgress, signal });
}

/** The plan for people. */
export function planOfTables(plans: readonly TablePlan[], { ignored }: FoundSources): ImportPlan {
  const stores = plans.map(({ path, target, content, records, named, leftOut }) => {
    const own = [...named].filter((name) => leftOut.has(name));
    return {
      store: path,
      target: target.table.name,
      files: 1,
      read: records,
      unusable: 0,
      notes: [
        `${content.form}${content.packing === null ? '' : `, ${content.packing}`}, with the columns ${[...named].join(', ')}`,
        ...(own.length > 0 ? [leftOutNote(own)] : []),
      ],
    };
  });
  return { stores, leftOut: [], ignored };
}

/** Imports what was planned, with one transaction for each file. An import can be run again, even after it broke off. */
export async function importTables(
  options: TableImport,
  plans: readonly TablePlan[],
  hooks: TableImportHooks,
): Promise<ImportReport> {
  const importer = importerOf(options);
  const total = plans.reduce((sum, { records }) => sum + records, 0);
  const stores: StoreReport[] = [];
  let done = 0;
  for (const plan of plans) {
    const onRows = (count: number): void => {
      done += count;
      hooks.onProgress({ done, total, file: plan.path });
    };
    hooks.onProgress({ done, total, file: plan.path });
    const loaded = await loadTable(importer, plan, {
      onRefused: hooks.onRefused,
      onRows,
      signal: options.signal,
    });
    const own = [...plan.named].filter((name) => plan.leftOut.has(name));
    stores.push({
      store: plan.path,
      target: plan.target.table.name,
      files: 1,
      read: plan.records,
      stored: loaded.stored,
      existing: loaded.existing,
      quarantined: loaded.quarantined,
      reasons: Object.fromEntries(loaded.reasons),
      sha256: loaded.sha256,
      differing: loaded.differing,
      mismatches: loaded.sha256.read === loaded.sha256.database ? [] : [plan.path],
      createdAgents: [],
      notes: own.length > 0 ? [leftOutNote(own)] : [],
    });
  }
  return { stores, leftOut: [], ignored: options.found.ignored };
}

function importerOf({ installation, tenantId }: TableImport): Importer {
  return { installation, claims: claimsOf('service', tenantId, 'import') };
}

function leftOutNote(columns: readonly string[]): string {
  return `left out are columns that only the database writes: ${columns.join(', ')}`;
}

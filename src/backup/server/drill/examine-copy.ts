import { Client, DatabaseError } from 'pg';
import type { Anchor } from '../../../audit/anchor.ts';
import { LogUnreadable } from '../../../audit/row-digest.ts';
import { clientExecutor } from '../../../db/client-executor.ts';
import { CommandError, runCommand } from '../../../programs/command.ts';
import { compareTables } from '../../digests/compare-tables.ts';
import type { Comparison } from '../../digests/compare-tables.ts';
import { drillProgram } from './drill-programs.ts';
import type { DrillPrograms } from './drill-programs.ts';
import { damagedTable, digestTables, listTables } from '../../digests/table-digests.ts';
import type { TableDigest } from '../../digests/table-digests.ts';
import type { ThrowAwayServer } from './throw-away-server.ts';
import type { SelfTest } from '../../drill-verdict.ts';
import { examineAudit } from '../../examine-audit.ts';
import type { AuditExamination } from '../../examine-audit.ts';

/** The result of reading a copy. */
export interface CopyExamination {
  readonly comparison: Comparison;
  /** What the copy's audit log is worth. */
  readonly audit: AuditExamination;
  /** Whether the comparison noticed a row that was changed and then changed back. */
  readonly rowTest: SelfTest;
  /** The file of one compared table, relative to the data directory. */
  readonly relationFile: string;
}

/**
 * Compares every table of the copy with the original and verifies its sealed audit log, then changes a row of the copy and compares again. Rolls
 * everything back.
 */
export async function examineCopy(
  url: string,
  {
    tables: original,
    anchors,
  }: { readonly tables: readonly TableDigest[]; readonly anchors: readonly Anchor[] },
  beforeComparison?: (copy: Client) => Promise<void>,
): Promise<CopyExamination> {
  return withClient(url, async (copy) => {
    await beforeComparison?.(copy);
    const { rows } = await copy.query<{ file: string }>(
      `select pg_relation_filepath('${damagedTable}') as file`,
    );
    const relationFile = rows[0]?.file ?? '';
    const comparison = await compare(copy, original);
    const audit = await examineAuditOf(copy, anchors);
    await copy.query('begin');
    // Skips triggers and foreign keys, as damage by a disk or a hand does.
    await copy.query('set local session_replication_role = replica');
    await copy.query(
      `update ${damagedTable} set name = name || '?' where id = (select min(id) from ${damagedTable})`,
    );
    const changed = await digestTables(clientExecutor(copy), [damagedTable]);
    await copy.query('rollback');
    const ofTenants = original.filter(({ table }) => table === damagedTable);
    const [noticed = null] = compareTables(ofTenants, changed).differences;
    return {
      comparison,
      audit,
      rowTest: { damage: `a row of ${damagedTable} changed`, noticed },
      relationFile,
    };
  });
}

/** Reads the table with the damaged block. The read has to fail. */
export async function readDamagedBlock(url: string, relationFile: string): Promise<SelfTest> {
  const damage = `a byte of the restored ${relationFile} flipped`;
  return withClient(url, async (copy) => {
    try {
      await copy.query('begin');
      await digestTables(clientExecutor(copy), [damagedTable]);
      return { damage, noticed: null };
    } catch (error) {
      if (!isCorruption(error)) throw error;
      return { damage, noticed: error.message };
    }
  });
}

/** Checks every table and B-tree of the copy with `pg_amcheck`. Returns a sentence for each fault. */
export async function checkPages(
  programs: DrillPrograms,
  server: ThrowAwayServer,
  { databaseName, superuser }: { readonly databaseName: string; readonly superuser: string },
): Promise<readonly string[]> {
  try {
    await runCommand(
      drillProgram(programs, 'pg_amcheck'),
      [
        `--host=${server.socketDirectory}`,
        `--username=${superuser}`,
        '--install-missing',
        '--heapallindexed',
        databaseName,
      ],
      { env: programs.environment, timeoutMs: checkTimeoutMs },
    );
    return [];
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return [`pg_amcheck: ${(error.stdout || error.message).trim().split('\n').slice(0, 10).join('; ')}`];
  }
}

/** A day, because reading all pages of a large database takes long. */
const checkTimeoutMs = 24 * 3_600_000;

async function compare(copy: Client, original: readonly TableDigest[]): Promise<Comparison> {
  const executor = clientExecutor(copy);
  await copy.query('begin');
  try {
    return compareTables(original, await digestTables(executor, await listTables(executor)));
  } catch (error) {
    if (!isCorruption(error)) throw error;
    return { comparedTables: 0, comparedRows: 0, differences: [`the copy cannot be read: ${error.message}`] };
  } finally {
    await copy.query('rollback');
  }
}

async function examineAuditOf(copy: Client, anchors: readonly Anchor[]): Promise<AuditExamination> {
  try {
    return await examineAudit(clientExecutor(copy), anchors);
  } catch (error) {
    if (!isCorruption(error) && !(error instanceof LogUnreadable)) throw error;
    return {
      sealedRows: 0,
      problems: [`the audit log of the copy cannot be read: ${error.message}`],
      selfTests: [],
    };
  }
}

/** Class XX: data or an index is corrupted, or an impossible state was met. */
function isCorruption(error: unknown): error is DatabaseError {
  return error instanceof DatabaseError && error.code?.startsWith('XX') === true;
}

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {}); // What is asked next fails too, and says why.
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

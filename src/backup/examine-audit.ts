import type { Anchor } from '../audit/anchor.ts';
import { verifyChain } from '../audit/verify-chain.ts';
import { verifyRows } from '../audit/verify-rows.ts';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import type { SelfTest } from './drill-verdict.ts';

/** What a copy's audit log is worth. */
export interface AuditExamination {
  /** Rows of the sealed log whose digest is right; 0: nothing was sealed yet. */
  readonly sealedRows: number;
  /** A sentence for each problem. */
  readonly problems: readonly string[];
  /** Whether the verification noticed a row of the log that was changed and then changed back; empty when nothing is sealed. */
  readonly selfTests: readonly SelfTest[];
}

/** Problems of rows that are told; a copy that is wrong throughout has more of them than anybody reads. */
const toldRows = 10;

/**
 * Verifies the sealed audit log of a restored copy, holds its tables against the log, and then tampers with a row of the log, which
 * has to be noticed. `copy` is a superuser's connection to it, in no transaction; `anchors` are the heads that the manifests of the
 * restored backups saw.
 */
export async function examineAudit(copy: Executor, anchors: readonly Anchor[]): Promise<AuditExamination> {
  const { rows: found } = await copy.query<{ exists: boolean }>(
    sql`select pg_catalog.to_regclass('audit.seals') is not null as exists`,
  );
  if (!found[0]?.exists) {
    const problems = anchors.length === 0 ? [] : ['the copy has no sealed audit log, and its backup saw one'];
    return { sealedRows: 0, problems, selfTests: [] };
  }
  const chain = await verifyChain({ executor: copy, anchors });
  const isUnsealed = chain.tampering?.kind === 'empty' && anchors.length === 0;
  const { differences } = await verifyRows(copy);
  return {
    sealedRows: chain.rows,
    problems: [
      ...(chain.tampering === null || isUnsealed ? [] : [`the sealed audit log: ${chain.tampering.message}`]),
      ...differences.slice(0, toldRows).map(({ message }) => `held against the audit log: ${message}`),
    ],
    selfTests: chain.tampering === null && chain.rows > 0 ? [await tamper(copy)] : [],
  };
}

async function tamper(copy: Executor): Promise<SelfTest> {
  await copy.query({ text: 'begin' });
  try {
    // As somebody does who leaves no trace.
    await copy.query({ text: 'set local session_replication_role = replica' });
    await copy.query({
      text: `
        update audit.log r set operation = r.operation || '?'
        from (
          select s.from_transaction_id, s.to_transaction_id, p.ids[1] as id
          from audit.seal_parts p join audit.seals s on s.number = p.number
          where p.ids is not null
          order by p.number limit 1
        ) first
        where r.transaction_id >= first.from_transaction_id and r.transaction_id <= first.to_transaction_id and r.id = first.id`,
    });
    const { tampering } = await verifyChain({ executor: copy });
    return { damage: 'a row of the sealed audit log changed', noticed: tampering?.message ?? null };
  } finally {
    await copy.query({ text: 'rollback' });
  }
}

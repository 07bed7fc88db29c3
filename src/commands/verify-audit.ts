import type { Command } from 'commander';
import { readAnchors } from '../audit/anchor.ts';
import { verifyChain } from '../audit/verify-chain.ts';
import type { ChainVerdict } from '../audit/verify-chain.ts';
import { verifyRows } from '../audit/verify-rows.ts';
import type { RowsVerdict } from '../audit/verify-rows.ts';
import type { CommandContext } from './command-context.ts';
import { asAuditor } from './database-access.ts';
import { exitStatus } from './exit-status.ts';
import { auditGroup } from './audit-group.ts';
import { databaseVariables, explain } from './explain.ts';
import { printJson, withJson } from './listing.ts';
import type { ListingFlags } from './listing.ts';
import { untilAborted } from './signals.ts';

interface VerifyFlags extends ListingFlags {
  readonly anchor?: string;
  readonly rows?: true;
}

/** `lightning audit verify` */
export function addVerifyAudit(program: Command, context: CommandContext): void {
  const audit = auditGroup(program);
  explain(withJson(audit.command('verify')), {
    variables: [...databaseVariables, 'BACKUP_DATABASE_URL'],
    examples: [
      ['lightning audit verify', 'recompute the chain and every row that it seals'],
      [
        'lightning audit verify --anchor anchors.jsonl --rows',
        'hold it against heads that left the database, and the tables against it',
      ],
    ],
  })
    .description(
      'recompute the sealed audit log, and name the first row that was altered, removed or slipped in',
    )
    .option(
      '--anchor <file>',
      'heads of the chain that left the database: AUDIT_ANCHOR_FILE, or the log of the worker',
    )
    .option('--rows', 'also compare the rows of the audited tables with what the log says they should be')
    .action((flags: VerifyFlags) => verifyNow(context, flags));
}

async function verifyNow(
  context: CommandContext,
  { anchor, rows: withRows, json }: VerifyFlags,
): Promise<void> {
  const { print, showProgress, setExitStatus } = context;
  const signal = untilAborted();
  const began = performance.now();
  await asAuditor(context, async (executor) => {
    const work = { onProgress: showProgress, signal };
    const chain = await verifyChain({
      executor,
      anchors: anchor === undefined ? undefined : readAnchors(anchor),
      ...work,
    });
    const rows = withRows ? await verifyRows(executor, work) : null;
    const ok =
      chain.tampering === null && (rows === null || (rows.rows > 0 && rows.differences.length === 0));
    if (json) printJson(context, documentOf(ok, chain, rows));
    else for (const line of linesOf(chain, rows, (performance.now() - began) / 1000)) print(line);
    if (!ok) setExitStatus(exitStatus.failed);
  });
}

/** The names of the members are in docs/commands.md. */
function documentOf(ok: boolean, chain: ChainVerdict, rows: RowsVerdict | null): unknown {
  return {
    ok,
    seals: chain.seals,
    rows: chain.rows,
    removed_rows: chain.removedRows,
    unsealed_rows: chain.unsealedRows,
    anchors: chain.anchors,
    head: chain.head,
    problem: chain.tampering,
    tables: rows,
  };
}

function linesOf(chain: ChainVerdict, rows: RowsVerdict | null, seconds: number): string[] {
  const { tampering, head, seals, anchors } = chain;
  const removed = chain.removedRows > 0 ? `, and ${chain.removedRows} that retention removed` : '';
  const withAnchors = anchors > 0 ? `, ${anchors} anchors agree` : '';
  const checked = `checked ${chain.rows} rows in ${seals} links${removed}${withAnchors}, in ${seconds.toFixed(1)} s`;
  const ofChain =
    tampering === null
      ? [
          checked,
          `the head is link ${head?.number}, ${head?.hash}, of ${head?.at}`,
          ...(chain.unsealedRows > 0
            ? [`${chain.unsealedRows} newer rows are not sealed yet, and nothing is promised for them`]
            : []),
        ]
      : [`WRONG\t${tampering.kind}\t${tampering.message}${locationOf(tampering.row)}`, checked];
  if (rows === null) return ofChain;
  return [
    ...ofChain,
    ...rows.differences.map(({ kind, message }) => `WRONG\t${kind}\t${message}`),
    rows.rows === 0
      ? 'WRONG\tempty\tno row of a table was compared with the log'
      : `compared ${rows.rows} rows of ${rows.tables} tables with the log`,
  ];
}

function locationOf(row: NonNullable<ChainVerdict['tampering']>['row']): string {
  if (row === null || row.table === null) return '';
  return `: ${row.table} ${JSON.stringify(row.key)} at ${row.at}`;
}

import type { Anchor } from '../audit/anchor.ts';
import { appendAnchor } from '../audit/anchor-file.ts';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import type { Log } from '../log.ts';
import { version } from '../version.ts';
import type { AnchorTargets } from './anchor-targets.ts';
import { defineJob } from './job.ts';
import { noPayload } from './payload.ts';

/** How long a run seals a backlog before it tells the head and leaves the rest to the next. */
const longestMs = 4 * 60_000;

/** The result of a run. */
export interface Sealed {
  readonly links: number;
  readonly rows: number;
  /** The head of the chain; null: the log has no row that could be sealed. */
  readonly head: Anchor | null;
}

/**
 * Seals the closed stretches of the audit log, one link after the other, each in a transaction of its own. `executor` is the
 * worker's.
 */
export async function sealAudit(
  executor: Executor,
  {
    signal,
    onLink = () => {},
    mostRows = 10_000,
  }: { signal: AbortSignal; onLink?: (head: Anchor) => void; mostRows?: number },
): Promise<Sealed> {
  const until = performance.now() + longestMs;
  const before = await headOf(executor, sql`select number::text, hash, at, rows::text from ops.audit_head()`);
  let head = before;
  let links = 0;
  while (!signal.aborted && performance.now() < until) {
    const next = await headOf(
      executor,
      sql`select number::text, hash, at, rows::text from ops.seal_audit_log(${version}, ${mostRows})`,
    );
    if (next === null) break;
    head = next;
    links += 1;
    onLink(next);
  }
  return { links, rows: (head?.rows ?? 0) - (before?.rows ?? 0), head };
}

async function headOf(executor: Executor, statement: ReturnType<typeof sql>): Promise<Anchor | null> {
  const { rows } = await executor.query<{ number: string; hash: string; at: Date; rows: string }>(statement);
  const [head] = rows;
  return head
    ? { number: Number(head.number), hash: head.hash, at: head.at.toISOString(), rows: Number(head.rows) }
    : null;
}

/**
 * Tells the head of the chain to those outside of the database: the log, the file, and the webhook through a job of its own. A file
 * that has the head already stays as it is.
 */
async function tellHead(
  executor: Executor,
  head: Anchor,
  { file, webhook }: AnchorTargets,
  log: Log,
): Promise<void> {
  const message = `the audit log is sealed up to link ${head.number}: ${head.rows} rows, hash ${head.hash}`;
  log({ level: 'info', event: 'audit-sealed', message, ...head });
  if (webhook !== null) {
    const event = { event: 'sealed', text: message, anchor: head };
    await executor.query(
      sql`select graphile_worker.add_job('send_anchor', ${JSON.stringify(event)}::json, queue_name => 'anchors', max_attempts => 5)`,
    );
  }
  if (file !== null) await appendAnchor(file, head);
}

export const sealAuditJob = defineJob({
  task: 'seal_audit',
  does: 'seals the audit log into a hash chain, and tells its head',
  schedule: {
    match: '* * * * *',
    everyMinutes: 1,
    options: { backfillPeriod: 0, maxAttempts: 1 },
  },
  parse: noPayload,
  lock: 'seal_audit',
  run: async (_payload, run, { executor, anchors, log }) => {
    const { links, rows, head } = await sealAudit(executor, {
      signal: run.signal,
      onLink: ({ number, rows: sealed }) => run.progress(null, `link ${number}: ${sealed} rows sealed`),
    });
    if (head === null) return null;
    if (links === 0) {
      // A head that an earlier run could not write is written now.
      if (anchors.file !== null) await appendAnchor(anchors.file, head);
      return null;
    }
    await tellHead(executor, head, anchors, log);
    return `sealed ${rows} rows in ${links} links; the head is link ${head.number}, ${head.hash}`;
  },
});

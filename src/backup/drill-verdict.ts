import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';

/** What a drill found. It has passed when there is no problem. */
export interface DrillVerdict {
  /** The backups that were restored, the full one first; empty: they could not be. */
  readonly backups: readonly string[];
  /** Where in the WAL the comparison was made, e.g. `16/B374D848`; null: of an embedded database, or there was no comparison. */
  readonly position: string | null;
  readonly comparedTables: number;
  readonly comparedRows: number;
  /** From the first byte read to a database that answers; null: it never did. */
  readonly restoreMs: number | null;
  /** A sentence for each thing that is wrong: a damage of the drill's own that was not noticed is one. */
  readonly problems: readonly string[];
  readonly selfTests: readonly SelfTest[];
}

/** A damage that the drill did on purpose. */
export interface SelfTest {
  /** What was done. */
  readonly damage: string;
  /** How it was noticed; null: it was not, so the drill's green would mean nothing. */
  readonly noticed: string | null;
}

/** A sentence for each damage that was not noticed. */
export function unnoticed(selfTests: readonly SelfTest[]): readonly string[] {
  return selfTests
    .filter(({ noticed }) => noticed === null)
    .map(({ damage }) => `the drill did not notice its own damage (${damage}), so its result means nothing`);
}

/** Writes a verdict into ops.drills, as the worker. Gives back whether it passed, as the database sees it. */
export async function recordVerdict(
  executor: Executor,
  startedAt: Date,
  verdict: DrillVerdict,
): Promise<boolean> {
  const { rows } = await executor.query<{ passed: boolean }>(sql`
    select ops.record_drill(
      ${startedAt.toISOString()}::timestamptz, ${verdict.backups}::text[], ${verdict.position},
      ${verdict.comparedTables}::integer, ${verdict.comparedRows}::bigint, ${verdict.restoreMs}::bigint,
      ${verdict.problems}::text[], ${JSON.stringify(verdict.selfTests)}::jsonb
    ) as passed`);
  return rows[0]?.passed ?? false;
}

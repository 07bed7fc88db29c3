import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';

/** The findings of a drill. It has passed when `problems` is empty. */
export interface DrillVerdict {
  /** The restored backups, the full one first; empty: they could not be restored. */
  readonly backups: readonly string[];
  /**
   * The place in the WAL at which the comparison was made, e.g. `16/B374D848`. Null: the database is embedded, or
   * nothing was compared.
   */
  readonly position: string | null;
  readonly comparedTables: number;
  readonly comparedRows: number;
  /** Rows of the sealed audit log that were verified in the copy; 0: nothing was sealed yet, or nothing was restored. */
  readonly sealedRows: number;
  /** Time from the first byte read to a database that answers; null: it never answered. */
  readonly restoreMs: number | null;
  /** A sentence for each problem. Damage of the drill's own that was not noticed is a problem too. */
  readonly problems: readonly string[];
  readonly selfTests: readonly SelfTest[];
}

/** Damage that the drill did on purpose. */
export interface SelfTest {
  /** The damage, in words. */
  readonly damage: string;
  /** How the damage was noticed. Null: it was not, so a drill that passes would prove nothing. */
  readonly noticed: string | null;
}

/** A sentence for each self-test whose damage was not noticed. */
export function unnoticed(selfTests: readonly SelfTest[]): readonly string[] {
  return selfTests
    .filter(({ noticed }) => noticed === null)
    .map(({ damage }) => `the drill did not notice its own damage (${damage}), so its result means nothing`);
}

/** Writes a verdict into ops.drills, as the worker. Returns whether it passed, as the database computes it. */
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

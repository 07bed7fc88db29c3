/** What a drill found. */
export interface DrillVerdict {
  /** The backups that were restored, the full one first. */
  readonly backups: readonly string[];
  /** Where in the WAL the comparison was made, e.g. `16/B374D848`; null: of an embedded database, or not reached. */
  readonly position: string | null;
  readonly comparedTables: number;
  readonly comparedRows: number;
  /** From the first byte read to a database that answers; null: it never did. */
  readonly restoreMs: number | null;
  /** A sentence for each thing that is wrong. */
  readonly problems: readonly string[];
  /** Whether each damage that the drill did itself, to a copy, was noticed. */
  readonly selfTests: readonly SelfTest[];
}

/** A damage that the drill did on purpose. */
export interface SelfTest {
  /** What was done. */
  readonly damage: string;
  /** How it was noticed; null: it was not, so the drill's green would mean nothing. */
  readonly noticed: string | null;
}

/** Whether the backups are proven: rows were compared, nothing was wrong, and every damage done on purpose was noticed. */
export function hasPassed({ comparedRows, problems, selfTests }: DrillVerdict): boolean {
  return (
    comparedRows > 0 &&
    problems.length === 0 &&
    selfTests.length > 0 &&
    selfTests.every(({ noticed }) => noticed !== null)
  );
}

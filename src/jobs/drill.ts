import type { Backups } from '../backup/backups.ts';
import { recordVerdict } from '../backup/drill-verdict.ts';
import type { DrillVerdict } from '../backup/drill-verdict.ts';
import type { Executor } from '../db/database.ts';
import { OperationalError } from '../operational-error.ts';
import { defineJob } from './job.ts';
import type { JobRun } from './job-run.ts';
import { noPayload } from './payload.ts';

/** One drill at a time, whether the job or the command line begins it. */
export const drillLock = 'drill';

/** The newest backups could not be restored as they should be. `problems` has a sentence for each fault. */
export class DrillFailed extends OperationalError {
  override name = 'DrillFailed';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the backups are not proven: ${problems.join('; ')}`);
    this.problems = problems;
  }
}

/**
 * Proves the newest backups, and writes the verdict into ops.drills; the executor is the worker's. Returns the
 * findings in words; rejects with DrillFailed when they are bad.
 */
export async function drill(
  backups: Backups,
  executor: Executor,
  { signal, progress }: Pick<JobRun, 'signal' | 'progress'>,
  now: () => Date,
): Promise<string> {
  const startedAt = now();
  const verdict = await backups.drill({ signal, onProgress: progress });
  const passed = await recordVerdict(executor, startedAt, verdict);
  if (!passed) throw new DrillFailed(verdict.problems);
  return inWords(verdict);
}

function inWords({
  backups,
  position,
  comparedTables,
  comparedRows,
  restoreMs,
  sealedRows,
  selfTests,
}: DrillVerdict): string {
  return (
    `restored ${backups.join(', ')}${position === null ? '' : ` to ${position}`} in ${((restoreMs ?? 0) / 1000).toFixed(1)} s: ` +
    `${comparedTables} tables with ${comparedRows} rows are the same, ${sealedRows} rows of the sealed audit log verify; noticed ${selfTests.length} deliberate faults`
  );
}

export const drillJob = defineJob({
  task: 'drill',
  does: 'proves the newest backups by restoring them and comparing every row',
  parse: noPayload,
  lock: drillLock,
  expectedMinutes: 360,
  run: async (_payload, run, { backups, executor, now }) =>
    backups ? drill(backups, executor, run, now) : null,
});

import { writeFile } from 'node:fs/promises';
import { formatReport, isComplete, reportJson } from '../import/format-report.ts';
import type { ImportProgress, ImportReport } from '../import/import-folder.ts';
import { ProgressDisplay } from '../import/progress.ts';
import type { ProgressStream } from '../import/progress.ts';
import { QuarantineFile } from '../import/quarantine.ts';
import type { Refusal } from '../import/quarantine.ts';
import { ImportError } from '../import/read-stores.ts';
import { UsageError } from './usage-error.ts';

/** Where an import tells what it does and what came of it. */
export interface ImportOutput {
  /** File for refused items. It is written only when there are any, and replaces an earlier run's file. */
  readonly quarantineFile: string;
  /** File for the report as JSON, for its owner only; null: none. */
  readonly reportFile: string | null;
  /** Stream for the report. */
  readonly out: NodeJS.WritableStream;
  /** Stream for the progress. */
  readonly progress: ProgressStream;
}

/** What an import calls while it works. */
export interface ImportHooks {
  readonly onRefused: (refusals: readonly Refusal[]) => Promise<void>;
  readonly onProgress: (progress: ImportProgress) => void;
}

/**
 * Does an import, and prints the result. Returns the exit status: 0 when every item is stored or in the quarantine file; 1 when
 * the counts do not add up or the database does not match the files. Throws UsageError in place of an ImportError.
 */
export async function reportImport(
  { quarantineFile: quarantinePath, reportFile, out, progress }: ImportOutput,
  work: (hooks: ImportHooks) => Promise<ImportReport>,
): Promise<number> {
  const quarantine = new QuarantineFile(quarantinePath);
  const display = new ProgressDisplay(progress);
  // A place that cannot be written shows before anything is stored.
  if (reportFile !== null) await writeReport(reportFile, '');
  let report: ImportReport;
  try {
    report = await asUsage(() =>
      work({
        onRefused: (refusals) => quarantine.add(refusals),
        onProgress: (shown) => display.show(shown),
      }),
    );
  } finally {
    display.end();
  }
  const quarantineFile = quarantine.lines > 0 ? quarantine.path : null;
  if (reportFile !== null) await writeReport(reportFile, reportJson(report, quarantineFile));
  out.write(`${formatReport(report, quarantineFile)}\n`);
  return report.stores.every(isComplete) ? 0 : 1;
}

/** Throws UsageError in place of an ImportError: the files are part of the command line. */
export async function asUsage<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof ImportError ? new UsageError(error.message, { cause: error }) : error;
  }
}

async function writeReport(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { mode: 0o600 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`the report cannot be written to ${file}: ${reason}`, { cause: error });
  }
}

import type { ImportReport, StoreReport } from './import-folder.ts';
import type { ImportPlan } from './plan-import.ts';

/** Whether nothing vanished: every item is stored or quarantined, and the database holds what the files say. */
export function isComplete({ read, stored, existing, quarantined, mismatches }: StoreReport): boolean {
  return read === stored + existing + quarantined && mismatches.length === 0;
}

/** The report as text. Its last line states `read = stored + already there + quarantined` for each store and for all together. */
export function formatReport(
  { stores, ignored, leftOut }: ImportReport,
  quarantineFile: string | null,
): string {
  const lines = [...stores.flatMap(formatStore), ...formatOthers(leftOut, ignored)];
  if (quarantineFile !== null)
    lines.push(`items that could not be stored are in ${quarantineFile}, with the reasons`);
  const sum = (of: (report: StoreReport) => number): number =>
    stores.reduce((total, report) => total + of(report), 0);
  const total = {
    read: sum(({ read }) => read),
    stored: sum(({ stored }) => stored),
    existing: sum(({ existing }) => existing),
    quarantined: sum(({ quarantined }) => quarantined),
  };
  const equations = stores.map((report) => `${report.store}: ${equation(report)}`);
  return [...lines, [...equations, `in all: ${equation(total)}`].join('; ')].join('\n');
}

/** The plan as text. */
export function formatPlan({ stores, leftOut, ignored }: ImportPlan): string {
  const lines = stores.flatMap(({ store, target, files, read, unusable, notes }) => [
    `${store}: ${files} ${files === 1 ? 'file' : 'files'}; ${read} read for ${target}, of which ${unusable} cannot be stored`,
    ...notes.map((note) => `${store}: ${note}`),
  ]);
  const end =
    'this is the plan, and nothing was changed; what is there already, and agents without a definition, show in an import';
  return [...lines, ...formatOthers(leftOut, ignored), end].join('\n');
}

/** The report as JSON, for programs. */
export function reportJson(
  { stores, ignored, leftOut }: ImportReport,
  quarantineFile: string | null,
): string {
  const report = {
    complete: stores.every(isComplete),
    stores: stores.map(({ existing, differing, createdAgents, ...rest }) => ({
      ...rest,
      already_there: existing,
      differing: differing.map(({ id, columns }) => ({ id, columns })),
      created_agents: createdAgents,
    })),
    left_out: leftOut,
    ignored,
    quarantine_file: quarantineFile,
  };
  return `${JSON.stringify(report, null, 2)}\n`;
}

function formatOthers(leftOut: ImportReport['leftOut'], ignored: readonly string[]): string[] {
  const counts = leftOut.map(({ source, what, count }) => `${count} ${what} (${source})`);
  return [
    ...(counts.length > 0
      ? [`counted and left out, because nothing here takes them: ${counts.join(', ')}`]
      : []),
    ...(ignored.length > 0 ? [`left out, because they are not stores to import: ${ignored.join(', ')}`] : []),
  ];
}

const shownRows = 10;

function formatStore(report: StoreReport): string[] {
  const { store, files, stored, existing, differing, mismatches, createdAgents } = report;
  const lines = [
    `${store}: ${files} ${files === 1 ? 'file' : 'files'}; ${stored} rows are new, ${existing} existed already`,
  ];
  for (const note of report.notes) lines.push(`${store}: ${note}`);
  if (createdAgents.length > 0)
    lines.push(`${store}: made agents that had no definition: ${createdAgents.join(', ')}`);
  if (differing.length > 0) {
    const shown = differing.slice(0, shownRows).map(({ id, columns }) => `${id} (${columns.join(', ')})`);
    const more = differing.length > shown.length ? `, and ${differing.length - shown.length} more` : '';
    lines.push(
      `${store}: ${differing.length} existing rows differ from the files and were left alone: ${shown.join(', ')}${more}`,
    );
  }
  if (mismatches.length > 0) {
    lines.push(
      `${store}: ERROR: ${mismatches.length} stored rows have other hashes than the files: ${mismatches.join(', ')}`,
    );
  }
  return lines;
}

function equation({
  read,
  stored,
  existing,
  quarantined,
}: Pick<StoreReport, 'read' | 'stored' | 'existing' | 'quarantined'>): string {
  const sum = stored + existing + quarantined;
  const terms = `stored ${stored} + already there ${existing} + quarantined ${quarantined}`;
  return read === sum ? `read ${read} = ${terms}` : `ERROR: read ${read}, but ${terms} = ${sum}`;
}

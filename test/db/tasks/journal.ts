import { readFile } from 'node:fs/promises';

/** What a claimer of the storm did, in its own words: the witness beside the database. */
export interface JournalEntry {
  /** `begun`: the task is claimed and worked on. Then one of the others; `refused` with the SQLSTATE in `code`. */
  readonly event: 'begun' | 'completed' | 'failed' | 'released' | 'refused';
  readonly process: string;
  readonly task: string;
  readonly token: string;
  readonly code?: string;
}

/** One entry as a line. Written in one piece and at once, so that it is there although its process is killed next. */
export function journalLine(entry: JournalEntry): string {
  return `${JSON.stringify(entry)}\n`;
}

/** All whole lines of a file that is still being written. */
export async function readJournal(file: string): Promise<JournalEntry[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JournalEntry);
}

/** Tokens of the tasks that were begun and not yet ended. */
export function underWay(journal: readonly JournalEntry[]): string[] {
  const open = new Set<string>();
  for (const { event, token } of journal) {
    if (event === 'begun') open.add(token);
    else open.delete(token);
  }
  return [...open];
}

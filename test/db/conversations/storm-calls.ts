import { readFile } from 'node:fs/promises';

/** A call of append_messages that a writer makes, until it is answered. */
export interface StormCall {
  readonly key: string;
  readonly contents: readonly string[];
}

/** What a writer of the storm did, in its own words: the witness beside the database. */
export interface JournalEntry {
  /**
   * `sent`, and then `told` with the numbers of the messages, `refused` because of the version, or `lost` with the connection; nothing when
   * the writer was killed. A refused or lost call is sent again.
   */
  readonly event: 'sent' | 'told' | 'refused' | 'lost';
  readonly writer: string;
  /** The place of the call among the writer's. */
  readonly call: number;
  readonly numbers?: readonly number[];
}

/** The calls in which a writer says its messages: one to five in each, the same whenever it is asked. */
export function callsOf(writer: string, messages: number): StormCall[] {
  const calls: StormCall[] = [];
  for (let said = 0; said < messages;) {
    const size = Math.min(1 + ((calls.length * 7) % 5), messages - said);
    const contents = Array.from({ length: size }, (_, i) => `${writer}.${said + i + 1}`);
    calls.push({ key: `${writer}-${calls.length}`, contents });
    said += size;
  }
  return calls;
}

/** All whole lines of a journal that is still being written. */
export async function readJournal(file: string): Promise<JournalEntry[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JournalEntry);
}

/** How many of its calls a writer has been told the end of; it makes them in order. */
export function answered(journal: readonly JournalEntry[], writer: string): number {
  return journal.reduce(
    (count, entry) =>
      entry.writer === writer && entry.event === 'told' ? Math.max(count, entry.call + 1) : count,
    0,
  );
}

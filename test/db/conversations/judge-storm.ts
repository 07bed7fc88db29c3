import { callsOf } from './storm-calls.ts';
import type { JournalEntry } from './storm-calls.ts';

/** What the database holds after the storm. */
export interface StormFacts {
  readonly version: number;
  /** By number. */
  readonly messages: readonly { readonly number: number; readonly content: string; readonly key: string }[];
  /** The content of every message that the audit log saw inserted. */
  readonly logged: readonly string[];
}

/**
 * What is wrong with a storm: nothing when each message of each writer is there once, in the writer's order and under the numbers that it was
 * told, and the numbers have no gap.
 */
export function judgeStorm(
  writers: readonly string[],
  messages: number,
  { version, messages: stored, logged }: StormFacts,
  journal: readonly JournalEntry[],
): string[] {
  const problems: string[] = [];
  const must = (holds: boolean, problem: string): void => {
    if (!holds) problems.push(problem);
  };
  const expected = writers.length * messages;
  must(stored.length === expected, `there are ${stored.length} messages, not ${expected}`);
  must(version === expected, `the thread has version ${version}, not ${expected}`);
  const gap = stored.findIndex(({ number }, i) => number !== i + 1);
  must(gap === -1, `message ${gap + 1} has number ${stored[gap]?.number}`);
  const inLog = Map.groupBy(logged, (content) => content);
  const byContent = Map.groupBy(stored, ({ content }) => content);
  const told = Map.groupBy(
    journal.filter(({ event }) => event === 'told'),
    ({ writer, call }) => `${writer}-${call}`,
  );
  for (const writer of writers) {
    let last = 0;
    for (const { key, contents } of callsOf(writer, messages)) {
      const numbers = contents.map((content) => {
        const found = byContent.get(content) ?? [];
        must(found.length === 1, `message ${content} is there ${found.length} times`);
        must(
          inLog.get(content)?.length === 1,
          `the log has ${inLog.get(content)?.length ?? 0} of ${content}`,
        );
        must(
          found.every((each) => each.key === key),
          `message ${content} is of ${found[0]?.key}, not ${key}`,
        );
        return found[0]?.number ?? 0;
      });
      must(
        numbers.every((number, i) => i === 0 || number === numbers[i - 1]! + 1),
        `${key} was torn apart`,
      );
      must(numbers[0]! > last, `${key} has number ${numbers[0]} and came after ${last}`);
      last = numbers.at(-1)!;
      const answers = told.get(key) ?? [];
      must(answers.length > 0, `nobody was told that ${key} was said`);
      for (const answer of answers)
        must(
          String(answer.numbers) === String(numbers),
          `${key} has numbers ${String(numbers)}, and was told ${String(answer.numbers)}`,
        );
    }
  }
  return problems;
}

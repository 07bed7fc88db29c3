import { expect, test } from 'vitest';
import { judgeStorm } from './judge-storm.ts';
import type { StormFacts } from './judge-storm.ts';
import type { JournalEntry } from './storm-calls.ts';

/** Two writers of two messages: each says the first alone, and the second in another call. */
const facts: StormFacts = {
  version: 4,
  messages: [
    { number: 1, content: 'w1.1', key: 'w1-0' },
    { number: 2, content: 'w2.1', key: 'w2-0' },
    { number: 3, content: 'w2.2', key: 'w2-1' },
    { number: 4, content: 'w1.2', key: 'w1-1' },
  ],
  logged: ['w1.1', 'w2.1', 'w2.2', 'w1.2'],
};
const journal: readonly JournalEntry[] = [
  { event: 'told', writer: 'w1', call: 0, numbers: [1] },
  { event: 'told', writer: 'w2', call: 0, numbers: [2] },
  { event: 'lost', writer: 'w2', call: 1 },
  { event: 'told', writer: 'w2', call: 1, numbers: [3] },
  { event: 'told', writer: 'w1', call: 1, numbers: [4] },
];
const judge = (change: Partial<StormFacts> = {}, told = journal) =>
  judgeStorm(['w1', 'w2'], 2, { ...facts, ...change }, told);

test('a storm in which all went well has no problem', () => {
  expect(judge()).toEqual([]);
});

const changed = (i: number, change: object) =>
  facts.messages.map((each, at) => (at === i ? { ...each, ...change } : each));

test.each<[string, Partial<StormFacts>, readonly JournalEntry[], RegExp]>([
  ['lost', { messages: facts.messages.slice(0, 3) }, journal, /there are 3 messages, not 4/],
  ['not counted', { version: 3 }, journal, /the thread has version 3, not 4/],
  ['there twice', { messages: changed(3, { content: 'w1.1' }) }, journal, /message w1\.1 is there 2 times/],
  [
    'of another call',
    { messages: changed(3, { key: 'w1-0' }) },
    journal,
    /message w1\.2 is of w1-0, not w1-1/,
  ],
  ['behind a gap', { messages: changed(3, { number: 5 }) }, journal, /message 4 has number 5/],
  [
    'out of order',
    {
      messages: changed(1, { content: 'w2.2', key: 'w2-1' }).with(2, {
        number: 3,
        content: 'w2.1',
        key: 'w2-0',
      }),
    },
    journal,
    /w2-1 has number 2 and came after 3/,
  ],
  ['logged twice', { logged: [...facts.logged, 'w1.1'] }, journal, /the log has 2 of w1\.1/],
  ['told to nobody', {}, journal.slice(0, 4), /nobody was told that w1-1 was said/],
  [
    'told otherwise',
    {},
    journal.with(4, { ...journal[4]!, numbers: [3] }),
    /w1-1 has numbers 4, and was told 3/,
  ],
])('a message %s is found', (_name, change, told, problem) => {
  expect(judge(change, told)).toContainEqual(expect.stringMatching(problem));
});

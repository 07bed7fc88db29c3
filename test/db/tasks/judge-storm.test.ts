import { expect, test } from 'vitest';
import { judgeStorm } from './judge-storm.ts';
import type { StormFacts, Strike } from './judge-storm.ts';
import type { JournalEntry } from './journal.ts';

/** Two tasks: the first was killed under p1 and done by p2; the second was done by p3 after p2 had stalled. */
const facts: StormFacts = {
  tasks: [
    { id: 'a', status: 'completed', attempt: 2, resultToken: '12' },
    { id: 'b', status: 'completed', attempt: 2, resultToken: '13' },
  ],
  attempts: [
    { task: 'a', attempt: 1, token: '10', outcome: 'expired', process: 'p1' },
    { task: 'a', attempt: 2, token: '12', outcome: 'completed', process: 'p2' },
    { task: 'b', attempt: 1, token: '11', outcome: 'expired', process: 'p2' },
    { task: 'b', attempt: 2, token: '13', outcome: 'completed', process: 'p3' },
  ],
  leases: 0,
  loggedCompletions: ['a', 'b'],
};
const journal: readonly JournalEntry[] = [
  { event: 'begun', process: 'p1', task: 'a', token: '10' },
  { event: 'completed', process: 'p2', task: 'a', token: '12' },
  { event: 'refused', process: 'p2', task: 'b', token: '11', code: 'LTQ02' },
  { event: 'completed', process: 'p3', task: 'b', token: '13' },
];
const strikes: readonly Strike[] = [
  { kind: 'kill', process: 'p1', tokens: ['10'] },
  { kind: 'stall', process: 'p2', tokens: ['11'] },
];

test('a storm in which all went well has no problem', () => {
  expect(judgeStorm(2, facts, journal, strikes)).toEqual([]);
});

const [a, b] = facts.tasks;
const attempts = (i: number, change: object) =>
  facts.attempts.map((attempt, at) => (at === i ? { ...attempt, ...change } : attempt));

test.each<[string, Partial<StormFacts>, readonly JournalEntry[], RegExp]>([
  ['lost', { tasks: [a!] }, journal, /there are 1 tasks, not 2/],
  ['not done', { tasks: [a!, { ...b!, status: 'pending' }] }, journal, /task b is pending/],
  ['held', { leases: 1 }, journal, /1 leases are left/],
  [
    'done twice',
    { attempts: attempts(2, { outcome: 'completed' }) },
    journal,
    /task b was completed 2 times/,
  ],
  ['logged twice', { loggedCompletions: ['a', 'b', 'b'] }, journal, /2 completions of task b/],
  ['never logged', { loggedCompletions: ['b'] }, journal, /0 completions of task a/],
  ['told twice', {}, [...journal, { ...journal[3]!, token: '11' }], /2 claimers were told .* task b/],
  ['told to another', {}, journal.with(3, { ...journal[3]!, token: '11' }), /was completed by 13, not as/],
  ['told to nobody', {}, journal.slice(0, 3), /nobody was told that task b/],
  [
    'another result',
    { tasks: [a!, { ...b!, resultToken: '11' }] },
    journal,
    /result of task b is of 11, not of 13/,
  ],
  [
    'refused in time',
    {},
    [...journal, { ...journal[2]!, token: '13' }],
    /refused to 13, whose attempt is completed/,
  ],
  ['not refused', {}, journal.toSpliced(2, 1), /p2 came back late with 11, and was not refused/],
  ['an attempt missing', { attempts: facts.attempts.slice(1) }, journal, /task a says 2 attempts, and has 2/],
  ['tokens shrink', { attempts: attempts(1, { token: '9' }) }, journal, /tokens of task a do not grow/],
  ['struck nothing', { attempts: attempts(0, { outcome: 'released' }) }, journal, /p1 held 10 \(kill\)/],
])('a task %s is found', (_name, change, told, problem) => {
  expect(judgeStorm(2, { ...facts, ...change }, told, strikes)).toContainEqual(
    expect.stringMatching(problem),
  );
});

test('a completion that a killed process did not hear of is none', () => {
  const killed: Strike = { kind: 'kill', process: 'p3', tokens: ['10'] };
  expect(judgeStorm(2, facts, journal.slice(0, 3), [...strikes, killed])).toEqual([]);
});

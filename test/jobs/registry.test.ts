import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { agenda } from '../../src/jobs/agenda.ts';
import { jobs } from '../../src/jobs/registry.ts';

/** The rows of the first table of docs/worker.md, as cells. */
const table = readFileSync(new URL('../../docs/worker.md', import.meta.url), 'utf8')
  .split('\n\n')
  .find((block) => block.startsWith('| job'))!
  .split('\n')
  .slice(2)
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, name, when, does]) => ({ name: name?.replaceAll('`', ''), when, does }));

/** A crontab pattern in the words of the table. */
function inWords(match: string | undefined): string {
  if (match === undefined) return 'when there is one';
  const [minute = '', hour = '', , , weekday = ''] = match.split(' ');
  const time = `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}`;
  if (weekday === '0') return `Sundays, ${time}`;
  if (hour !== '*') return `daily, ${time}`;
  if (minute === '*') return 'each minute';
  return minute === '*/5' ? 'each fifth minute' : `each hour, at :${minute.padStart(2, '0')}`;
}

test('no two jobs have the same name', () => {
  expect(new Set(jobs.map(({ task }) => task)).size).toBe(jobs.length);
});

test('docs/worker.md lists every job, when it runs and what it does', () => {
  const written = jobs
    .map(({ task, does, schedule }) => {
      const match = schedule?.match ?? agenda.find((item) => item.task === task)?.match;
      return { name: task, when: inWords(match), does };
    })
    .toSorted((a, b) => a.name.localeCompare(b.name));
  expect(
    table,
    'the first table of docs/worker.md (received) has to list the jobs of src/jobs/registry.ts (expected), by name, when they run and what each `does`',
  ).toEqual(written);
});

test('every job has a test that runs it by its file or by its name', () => {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const tests = globSync('test/**/*.test.ts', { cwd: root })
    .filter((file) => !file.endsWith('jobs/registry.test.ts'))
    .map((file) => readFileSync(`${root}${file}`, 'utf8'));
  const untested = globSync('src/jobs/*.ts', { cwd: root }).flatMap((file) => {
    const [, task] = /^  task: '(\w+)',$/m.exec(readFileSync(`${root}${file}`, 'utf8')) ?? [];
    if (task === undefined) return [];
    const tested = tests.some((text) => text.includes(file) || new RegExp(`\\b${task}\\b`).test(text));
    return tested ? [] : [`${file}: write ${file.replace(/^src/, 'test').replace(/ts$/, 'test.ts')}`];
  });
  expect(untested).toEqual([]);
});

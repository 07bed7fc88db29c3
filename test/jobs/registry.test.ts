import { readFileSync } from 'node:fs';
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
  .map(([, name, when]) => ({ name: name?.replaceAll('`', ''), when }));

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

test('docs/worker.md lists every job, and when it runs', () => {
  const written = jobs
    .map(({ task, schedule }) => {
      const match = schedule?.match ?? agenda.find((item) => item.task === task)?.match;
      return { name: task, when: inWords(match) };
    })
    .toSorted((a, b) => a.name.localeCompare(b.name));
  expect(table).toEqual(written);
});

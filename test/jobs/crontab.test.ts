import { parseCronItems } from 'graphile-worker';
import { expect, test } from 'vitest';
import { crontab } from '../../src/jobs/crontab.ts';
import { jobs } from '../../src/jobs/registry.ts';

test.each(crontab.map((line) => [line.identifier ?? line.task, line] as const))(
  '%s is a job that there is, takes the payload of its line, and comes as often as the line says',
  (_, line) => {
    const job = jobs.find(({ task }) => task === line.task);
    expect(() => job?.prepare({ ...line.payload, _cron: { ts: '2026-01-01' } })).not.toThrow();
    const [parsed] = parseCronItems([line]);
    const runs: number[] = [];
    // Ten weeks, past the end of a month and a year.
    const start = Date.UTC(2026, 10, 20);
    for (let minute = 0; minute < 70 * 1_440; minute += 1) {
      const at = new Date(start + minute * 60_000);
      const digest = {
        min: at.getUTCMinutes(),
        hour: at.getUTCHours(),
        date: at.getUTCDate(),
        month: at.getUTCMonth() + 1,
        dow: at.getUTCDay(),
      };
      if (parsed?.match(digest)) runs.push(minute);
    }
    const gaps = runs.slice(1).map((minute, i) => minute - runs[i]!);
    expect(Math.max(...gaps)).toBe(job?.schedule?.everyMinutes);
  },
);

test('every line has a unique name, by which graphile-worker remembers it', () => {
  const names = crontab.map(({ identifier }) => identifier);
  expect(names).not.toContain(undefined);
  expect(new Set(names).size).toBe(names.length);
});

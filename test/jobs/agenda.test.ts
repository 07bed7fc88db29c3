import { expect, test } from 'vitest';
import { agenda, agendaMinute, dueJobs } from '../../src/jobs/agenda.ts';
import type { NewestBackups } from '../../src/jobs/agenda.ts';
import { crontab } from '../../src/jobs/crontab.ts';

/** A Saturday. */
const saturday = '2026-11-28T';
const at = (text: string) => new Date(`${text}Z`);
const none: NewestBackups = { backup: null, full: null, drill: null };
const snapshots = { buildsOnEarlier: false };
const ofServer = { buildsOnEarlier: true };
const words = (newest: NewestBackups, now: Date, backups = snapshots) =>
  dueJobs(newest, backups, now).map(({ task, payload }) => [task, ...Object.values(payload)].join(' '));

test('a database without a backup is due at once, whatever the time', () => {
  for (const time of ['00:00', '02:13', '18:00']) {
    expect(words(none, at(`${saturday}${time}`))).toEqual(['back_up']);
    expect(words(none, at(`${saturday}${time}`), ofServer)).toEqual(['back_up full']);
  }
});

test.each([
  ['yesterday evening, before the time of the night', '2026-11-27T18:00', '2026-11-28T02:12', []],
  ['yesterday evening, at the time of the night', '2026-11-27T18:00', '2026-11-28T02:13', ['back_up']],
  [
    'yesterday evening, this evening and some seconds earlier',
    '2026-11-27T18:00:20',
    '2026-11-28T18:00:10',
    ['back_up'],
  ],
  ['this night', '2026-11-28T02:13:01', '2026-11-28T23:59', []],
  ['by hand, at noon', '2026-11-28T12:00', '2026-11-29T02:12', []],
  ['a year ago', '2025-11-28T12:00', '2026-11-28T00:00', ['back_up']],
])('a backup of %s', (_, backup, now, due) => {
  expect(words({ ...none, backup: at(backup), drill: at(now) }, at(now))).toEqual(due);
});

test('a server gets a full backup once a week, on Sunday or when it is next on', () => {
  const newest = {
    backup: at('2026-11-28T02:13:01'),
    full: at('2026-11-22T02:13:01'),
    drill: at('2026-11-22T06:13'),
  };
  expect(words(newest, at('2026-11-29T02:12'), ofServer)).toEqual([]);
  expect(words(newest, at('2026-11-29T02:13'), ofServer)).toEqual(['back_up full']);
  expect(words(newest, at('2026-12-01T18:00'), ofServer)).toEqual(['back_up full', 'drill']);
});

test('a drill is due once a week, and never without a backup', () => {
  const backup = at('2026-11-29T02:13:01');
  expect(words({ ...none, backup }, at('2026-11-29T03:00'))).toEqual(['drill']);
  expect(words({ ...none, backup, drill: at('2026-11-29T06:13:02') }, at('2026-11-29T23:00'))).toEqual([]);
  expect(words({ ...none, drill: at('2026-01-01T00:00') }, at('2026-11-29T23:00'))).toEqual(['back_up']);
});

test('an installation that is on for two minutes every evening has a daily backup and a weekly drill', () => {
  let newest = none;
  const begun: string[] = [];
  for (let day = 0; day < 28; day++) {
    // The agenda is read at the start; the minute of the hourly look never comes.
    const now = new Date(at('2026-11-02T18:00:10').getTime() + day * 86_400_000 - day * 500);
    for (const { task } of dueJobs(newest, snapshots, now)) {
      begun.push(task);
      newest = { ...newest, [task === 'back_up' ? 'backup' : 'drill']: now };
    }
  }
  expect(begun.filter((task) => task === 'back_up')).toHaveLength(28);
  expect(begun.filter((task) => task === 'drill').length).toBeGreaterThanOrEqual(4);
});

test('an installation that is always on does each at its time, once', () => {
  let newest: NewestBackups = {
    backup: at('2026-11-01T02:13:01'),
    full: at('2026-11-01T02:13:01'),
    drill: at('2026-11-01T06:13:01'),
  };
  const begun: string[] = [];
  for (let hour = 1; hour <= 24 * 28; hour++) {
    const now = new Date(at(`2026-11-01T02:${agendaMinute}:01`).getTime() + hour * 3_600_000);
    for (const { task, payload } of dueJobs(newest, ofServer, now)) {
      begun.push(`${now.toISOString().slice(8, 13)} ${[task, ...Object.values(payload)].join(' ')}`);
      newest =
        task === 'drill'
          ? { ...newest, drill: now }
          : { ...newest, backup: now, ...(payload.kind === 'full' && { full: now }) };
    }
  }
  expect(begun.slice(0, 6)).toEqual([
    '02T02 back_up',
    '03T02 back_up',
    '04T02 back_up',
    '05T02 back_up',
    '06T02 back_up',
    '07T02 back_up',
  ]);
  expect(begun.filter((line) => line.endsWith('full'))).toEqual([
    '08T02 back_up full',
    '15T02 back_up full',
    '22T02 back_up full',
    '29T02 back_up full',
  ]);
  expect(begun.filter((line) => line.endsWith('drill'))).toEqual([
    '08T06 drill',
    '15T06 drill',
    '22T06 drill',
  ]);
  expect(begun).toHaveLength(28 + 3);
});

test('each job is either in the crontab or on the agenda', () => {
  const scheduled = new Set(crontab.map(({ task }) => task));
  expect(agenda.filter(({ task }) => scheduled.has(task))).toEqual([]);
});

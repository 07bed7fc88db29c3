import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeRecoverySettings } from '../../../src/backup/server/recovery-settings.ts';
import type { RecoverySettings } from '../../../src/backup/server/recovery-settings.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lightning-recovery-settings-'));
});
afterEach(() => rm(directory, { recursive: true }));

const given: RecoverySettings = {
  stopAt: null,
  timeline: 3,
  limits: { max_connections: '200', max_wal_senders: '15' },
  settings: [],
};

/** The settings as Postgres reads them: the last of several lines counts. */
async function settings(): Promise<Record<string, string>> {
  const text = await readFile(join(directory, 'postgresql.auto.conf'), 'utf8');
  return Object.fromEntries([...text.matchAll(/^(\w+) = '(.*)'$/gm)].map(([, name, value]) => [name, value]));
}

test('the limits that replay needs are written, wherever the lost server set them, and none is checked on the way', async () => {
  await writeRecoverySettings(directory, given);
  expect(await settings()).toMatchObject({
    max_connections: '200',
    max_wal_senders: '15',
    hot_standby: 'off',
  });
});

test('settings of an earlier restore, of a standby or of another server are cleared', async () => {
  await writeFile(
    join(directory, 'postgresql.auto.conf'),
    [
      "recovery_target_time = '2020-01-01 00:00:00+00'",
      "recovery_target_name = 'before'",
      "recovery_min_apply_delay = '1h'",
      "recovery_end_command = 'take-over-address'",
      "primary_conninfo = 'host=elsewhere'",
      "synchronous_standby_names = 'lightning_backup'",
    ].join('\n'),
  );
  await writeFile(join(directory, 'standby.signal'), '');
  await writeRecoverySettings(directory, { ...given, stopAt: { kind: 'lsn', lsn: 0x16b3748n } });
  expect(await settings()).toMatchObject({
    recovery_target_lsn: '0/16B3748',
    recovery_target_time: '',
    recovery_target_name: '',
    recovery_min_apply_delay: '0',
    recovery_end_command: '',
    primary_conninfo: '',
    synchronous_standby_names: '',
    recovery_target_timeline: '3',
  });
  const targets = Object.entries(await settings()).filter(([name]) =>
    /^recovery_target(_(name|xid|time|lsn))?$/.test(name),
  );
  expect(targets).toHaveLength(5);
  expect(await readdir(directory)).not.toContain('standby.signal');
  expect(await readdir(directory)).toContain('recovery.signal');
});

test('settings from the command line or the environment are named, except those that are written', async () => {
  await writeFile(join(directory, 'postgresql.conf'), '');
  const notes = await writeRecoverySettings(directory, {
    ...given,
    settings: [
      { name: 'max_connections', value: '200', source: 'command line' },
      { name: 'ssl', value: 'on', source: 'command line' },
      { name: 'summarize_wal', value: 'on', source: 'command line' },
      { name: 'TimeZone', value: 'UTC', source: 'environment variable' },
      { name: 'shared_buffers', value: '8GB', source: 'configuration file' },
    ],
  });
  expect(notes.join('\n')).toContain(
    'on the command line of the lost server stood, and is in no file: ssl=on, summarize_wal=on',
  );
  expect(notes.join('\n')).toContain(
    'from the environment of the lost server came, and is in no file: TimeZone=UTC',
  );
  expect(notes.join('\n')).not.toContain('shared_buffers');
});

test('settings from a configuration outside of the data directory, as on Debian, are named', async () => {
  const notes = await writeRecoverySettings(directory, {
    ...given,
    settings: [{ name: 'shared_buffers', value: '8GB', source: 'configuration file' }],
  });
  expect(notes.join('\n')).toMatch(/postgresql.conf was not in the backup/);
  expect(notes.join('\n')).toContain('the new one has not: shared_buffers=8GB');
});

test('a backup of an earlier release does not hold the settings, and the note says so', async () => {
  const notes = await writeRecoverySettings(directory, { ...given, settings: undefined });
  expect(notes.join('\n')).toContain('does not say what stood on the command line');
});

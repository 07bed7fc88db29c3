import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configOptions, fileVariable, secretNames } from '../../src/config/options.ts';
import { runCommand } from '../../src/programs/command.ts';
import { lacks } from '../support/lacks.ts';
import { lightningHere } from '../support/lightning-here.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const units = ['lightning-serve.service', 'lightning-work.service'] as const;
const installedAt = '/usr/local/bin/lightning';

describe.each(units)('%s', (name) => {
  let text: string;
  /** The values of a setting, in their order. */
  const settings = (setting: string): string[] =>
    [...text.matchAll(new RegExp(`^${setting}=(.*)$`, 'gm'))].map(([, value = '']) => value);
  beforeAll(async () => {
    text = await readFile(join(root, 'docs/deploy', name), 'utf8');
  });

  test('starts a command that exists', async () => {
    const [start = '', ...others] = settings('ExecStart');
    const [program, ...args] = start.split(' ');
    expect([program, others]).toEqual([installedAt, []]);
    expect((await lightningHere([...args, '--help'], {})).status).toBe(0);
    expect(name).toBe(`lightning-${args.join('-')}.service`);
  });

  test('sets variables that are options', () => {
    const known = new Set<string>([
      ...configOptions.map(({ name: option }) => option),
      ...secretNames.map(fileVariable),
    ]);
    const set = settings('Environment').map((assignment) => assignment.split('=')[0] ?? '');
    expect(set.length).toBeGreaterThan(0);
    expect(set.filter((variable) => !known.has(variable))).toEqual([]);
  });

  test('reloads with SIGHUP, ends with SIGTERM, and waits longer than the process needs for its end', () => {
    expect(settings('ExecReload')).toEqual(['/bin/kill -HUP $MAINPID']);
    expect(settings('KillSignal')).toEqual(['SIGTERM']);
    const endMs = Number(configOptions.find((option) => option.name === 'SHUTDOWN_MS')?.fallback);
    expect(Number(settings('TimeoutStopSec')[0]) * 1000).toBeGreaterThan(endMs + 1_000);
  });

  test('runs as a user of its own, and does not start again with a configuration that is wrong', () => {
    expect(settings('User')).toEqual(['lightning']);
    expect(settings('RestartPreventExitStatus')).toEqual(['2']);
  });
});

describe.skipIf(lacks('systemd'))('to systemd-analyze', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lightning-units-'));
    for (const name of units) {
      const text = await readFile(join(root, 'docs/deploy', name), 'utf8');
      // It looks for the program, which is not installed here.
      await writeFile(join(folder, name), text.replace(installedAt, join(root, 'bin/lightning')));
    }
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each(units)('%s has nothing to complain of', async (name) => {
    // What is no more than a warning is on stderr alone.
    const command = 'systemd-analyze verify --man=no "$1" 2>&1';
    expect(await runCommand('sh', ['-c', command, 'sh', join(folder, name)])).toBe('');
  });

  test.each(units)('the exposure of %s is OK', async (name) => {
    // Fails above the threshold, in tenths.
    const told = await runCommand('systemd-analyze', [
      'security',
      '--offline=true',
      '--threshold=20',
      join(folder, name),
    ]);
    expect(told).toMatch(/Overall exposure level for .*: [01]\.\d OK/);
  });

  test('a unit with a mistake is noticed', async () => {
    const wrong = join(folder, 'wrong.service');
    await writeFile(wrong, '[Service]\nExecStart=/nowhere/program\n');
    await expect(runCommand('systemd-analyze', ['verify', '--man=no', wrong])).rejects.toThrow(
      /not executable/,
    );
  });
});

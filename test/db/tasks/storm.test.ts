import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noServer, readyServer } from '../../support/server.ts';
import type { StormReport } from './storm.ts';

const script = fileURLToPath(new URL('storm.ts', import.meta.url));

describe.skipIf(noServer)('a storm of twelve claimers on 500 tasks', () => {
  let outcome: Outcome;
  let report: StormReport;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'lightning-storm-'));
    const json = path.join(directory, 'report.json');
    const size = '--tasks 500 --claimers 12 --processes 4 --kills 3 --stalls 1 --lease 1';
    outcome = await run([...size.split(' '), '--json', json], readyServer().adminUrl);
    report = JSON.parse(await readFile(json, 'utf8').catch(() => '{}')) as StormReport;
  }, 120_000);
  afterAll(() => rm(directory, { recursive: true, force: true }));

  test('completes every task exactly once, and refuses who comes late', () => {
    expect({ ...report, ...outcome }).toMatchObject({ problems: [], status: 0 });
    expect(report.tasks).toBe(500);
    expect(report.outcomes['completed']).toBe(500);
    expect(report.refused).toBeGreaterThan(0);
  });

  test('struck in the middle: every process that was killed or stopped held a lease and worked', () => {
    expect(report).toMatchObject({ kills: 3, stalls: 1 });
    expect(report.heldLeases).toBeGreaterThanOrEqual(4);
    expect(report.outcomes['expired']).toBeGreaterThanOrEqual(report.heldLeases);
  });
});

describe('the options of the storm', () => {
  test('--help names all of them', async () => {
    const { status, stdout } = await run(['--help']);
    expect(status).toBe(0);
    for (const option of ['--tasks', '--claimers', '--processes', '--kills', '--stalls', '--lease', '--json'])
      expect(stdout).toContain(option);
  });

  test.each([
    [['--tasks', '0'], '--tasks is "0"; a whole number from 1 to 1000000 is needed'],
    [['--claimers', '7'], '7 claimers cannot be spread over 20 processes evenly'],
    [['--gently'], "Unknown option '--gently'"],
  ])('%j is refused, saying what is allowed', async (args, message) => {
    const { status, stdout, stderr } = await run(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(message);
  });
});

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[], serverUrl?: string): Promise<Outcome> {
  const env = { ...process.env, ...(serverUrl === undefined ? {} : { TEST_DATABASE_URL: serverUrl }) };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [script, ...args], { env }, (_error, stdout, stderr) => {
      resolve({ status: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

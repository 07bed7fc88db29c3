import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noServer, readyServer } from '../support/server.ts';
import type { ClaimsReport } from './claims.ts';
import { runBenchmark } from './run-benchmark.ts';
import type { Outcome } from './run-benchmark.ts';

const script = fileURLToPath(new URL('claims.ts', import.meta.url));
const run = (args: readonly string[], serverUrl?: string) => runBenchmark(script, args, serverUrl);

describe.skipIf(noServer)('the benchmark of claims, with turns of one second', () => {
  let outcome: Outcome;
  let report: ClaimsReport;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'lightning-bench-'));
    const json = path.join(directory, 'report.json');
    const size = '--few 100 --many 2000 --waiting 60000 --rounds 1 --seconds 1 --connections 4';
    outcome = await run([...size.split(' '), '--json', json], readyServer().adminUrl);
    report = JSON.parse(await readFile(json, 'utf8').catch(() => '{}')) as ClaimsReport;
  }, 240_000);
  afterAll(() => rm(directory, { recursive: true, force: true }));

  test('succeeds: every claim of both got a task of its own', () => {
    expect(outcome).toMatchObject({ status: 0 });
    expect(report.turns).toHaveLength(6);
    for (const { perSecond } of report.turns) expect(perSecond).toBeGreaterThan(0);
  });

  test('finds claim_task within reach of the bare update', () => {
    expect(outcome.stdout).toMatch(
      /\| 2,000 \| \d+\/s \| \d+\/s \| \d\.\d\d \([^|]+ \| \d+\/s \| \d+\.\d\d \(/,
    );
    // The goal of the long form is 0.5; one turn on a busy machine says less.
    for (const ratio of [...report.toBare.few, ...report.toBare.many]) expect(ratio).toBeGreaterThan(0.1);
  });

  test('finds that a claim without a waiting task costs no more than one with a task', () => {
    // It was 0.02 when Postgres compiled the statement.
    for (const ratio of [...report.idle.few, ...report.idle.many]) expect(ratio).toBeGreaterThan(0.5);
  });
});

describe('the options of the benchmark of claims', () => {
  test('--help lists every option', async () => {
    const { status, stdout } = await run(['--help']);
    expect(status).toBe(0);
    for (const option of [
      '--few',
      '--many',
      '--waiting',
      '--front',
      '--rounds',
      '--seconds',
      '--connections',
      '--json',
    ])
      expect(stdout).toContain(option);
  });

  test('a value out of range is refused, with the allowed range', async () => {
    const { status, stdout, stderr } = await run(['--rounds', '0']);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain('--rounds is "0"; a whole number from 1 to 1000 is needed');
  });
});

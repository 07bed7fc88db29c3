import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noServer, readyServer } from '../support/server.ts';
import type { MetricsReport } from './metrics.ts';
import { runBenchmark } from './run-benchmark.ts';
import type { Outcome } from './run-benchmark.ts';

const script = fileURLToPath(new URL('metrics.ts', import.meta.url));
const run = (args: readonly string[], serverUrl?: string) => runBenchmark(script, args, serverUrl);

describe.skipIf(noServer)('the benchmark of metrics, with 20,000 points', () => {
  let outcome: Outcome;
  let report: MetricsReport;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'lightning-bench-'));
    const json = path.join(directory, 'report.json');
    outcome = await run(['--points', '20000', '--json', json], readyServer().adminUrl);
    report = JSON.parse(await readFile(json, 'utf8').catch(() => '{}')) as MetricsReport;
  }, 120_000);
  afterAll(() => rm(directory, { recursive: true, force: true }));

  test('succeeds, with all points in the database', () => {
    expect(outcome).toMatchObject({ status: 0 });
    expect(report).toMatchObject({ points: 20_000, recorded: 20_000, copied: 20_000 });
  });

  test('finds record_metrics within reach of COPY', () => {
    expect(outcome.stdout).toMatch(/record_metrics \/ COPY: \d\.\d\d/);
    // The goal of the long form is 0.3; one turn on a busy machine says less.
    expect(report.recordRate / report.copyRate).toBeGreaterThan(0.1);
  });

  test('reads series of the day, from points and from rollups', () => {
    expect(report.series.map((answer) => answer.from)).toEqual([
      ...Array.from({ length: 5 }, () => 'points'),
      ...Array.from({ length: 5 }, () => 'rollups'),
    ]);
    for (const { median } of report.series) expect(median).toBeLessThan(1_000);
  });
});

describe('the options of the benchmark of metrics', () => {
  test('--help lists every option', async () => {
    const { status, stdout } = await run(['--help']);
    expect(status).toBe(0);
    for (const option of ['--points', '--call', '--connections', '--json']) expect(stdout).toContain(option);
  });

  test.each([
    [['--points', '0'], '--points is "0"; a whole number from 1 to 100000000 is needed'],
    [['--call', '7000'], '--call is "7000"; a whole number from 1 to 6000 is needed'],
    [['--fast'], "Unknown option '--fast'"],
  ])('%j is refused, saying what is allowed', async (args, message) => {
    const { status, stdout, stderr } = await run(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(message);
  });
});

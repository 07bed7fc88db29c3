import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noServer, readyServer } from '../support/server.ts';
import type { ProtectionReport } from './protection.ts';
import { runBenchmark } from './run-benchmark.ts';

const script = fileURLToPath(new URL('protection.ts', import.meta.url));
const run = (args: readonly string[], serverUrl?: string) => runBenchmark(script, args, serverUrl);

describe.skipIf(noServer)('the benchmark of the cost of protection, with turns of one second', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'lightning-bench-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  test('compares an operation with itself without row-level security, and without the audit log', async () => {
    const json = path.join(directory, 'report.json');
    const { status, stdout, stderr } = await run(
      [
        '--operation',
        'get',
        '--operation',
        'update of one row',
        '--rounds',
        '1',
        '--seconds',
        '1',
        '--json',
        json,
      ],
      readyServer().adminUrl,
    );
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^\| get \| row security \| \d+\.\d\d \(/m);
    expect(stdout).toMatch(/^\| update of one row \| audit \| \d+\.\d\d \(/m);
    const report = JSON.parse(await readFile(json, 'utf8')) as ProtectionReport;
    // The goals are those of the long form: one turn on a busy machine says less.
    for (const spread of Object.values(report)) expect(spread.median).toBeGreaterThan(0.3);
  }, 120_000);
});

describe('the options of the benchmark of the cost of protection', () => {
  test('--help lists every option', async () => {
    const { status, stdout } = await run(['--help']);
    expect(status).toBe(0);
    for (const option of ['operation', 'no-wait', 'rounds', 'seconds', 'connections', 'json'])
      expect(stdout).toContain(`--${option}`);
  });

  test('what is not an option, or out of range, is refused with what is allowed', async () => {
    expect(await run(['--rounds', '0'])).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringContaining('--rounds is "0"; a whole number from 1 to 1000 is needed') as string,
    });
    expect((await run(['--operation', 'delete'])).stderr).toContain(
      '--operation is "delete"; expected one of get,',
    );
  });
});

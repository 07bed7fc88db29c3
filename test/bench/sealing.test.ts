import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { noServer, readyServer } from '../support/server.ts';
import { runBenchmark } from './run-benchmark.ts';

const script = fileURLToPath(new URL('sealing.ts', import.meta.url));
const run = (args: readonly string[], serverUrl?: string) => runBenchmark(script, args, serverUrl);

describe('the benchmark of sealing', () => {
  test.skipIf(noServer)(
    'seals what is written meanwhile, and compares writers with themselves',
    async () => {
      const { status, stdout, stderr } = await run(
        ['--writes', '200', '--rounds', '1', '--seconds', '2'],
        readyServer().adminUrl,
      );
      expect(status, stderr).toBe(0);
      expect(stdout).toMatch(/^written while it was sealed: [1-9]\d* audited rows a second/m);
      expect(stdout).toMatch(/^sealed: [1-9]\d* rows/m);
      expect(stdout).toMatch(/^mean time of a transaction, while it is sealed to without: \d+\.\d\d \(/m);
    },
    120_000,
  );

  test('lists its options, and refuses what is out of range', async () => {
    const { status, stdout } = await run(['--help']);
    expect(status).toBe(0);
    for (const option of ['writes', 'rounds', 'seconds']) expect(stdout).toContain(`--${option}`);
    expect(await run(['--writes', '1'])).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringContaining(
        '--writes is "1"; a whole number from 10 to 1000000 is needed',
      ) as string,
    });
  });
});

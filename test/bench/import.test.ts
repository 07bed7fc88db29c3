import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { noServer, readyServer } from '../support/server.ts';
import { runBenchmark } from './run-benchmark.ts';

const script = fileURLToPath(new URL('import.ts', import.meta.url));
const run = (args: readonly string[], serverUrl?: string) => runBenchmark(script, args, serverUrl);

describe('the benchmark of imports', () => {
  test.skipIf(noServer)(
    'imports points and items as often as COPY stores them, and compares the two',
    async () => {
      const { status, stdout, stderr } = await run(
        ['--rows', '900', '--rounds', '1'],
        readyServer().adminUrl,
      );
      expect(status, stderr).toBe(0);
      for (const [table, rows] of [
        ['metrics', 900],
        ['knowledge', 100],
      ])
        expect(stdout).toMatch(
          new RegExp(
            String.raw`^${table}: ${rows} rows; import to COPY \d+\.\d\d .* peak memory of the import \d+ MiB$`,
            'm',
          ),
        );
    },
    120_000,
  );

  test('lists its options, and refuses what is out of range', async () => {
    const { status, stdout } = await run(['--help']);
    expect(status).toBe(0);
    for (const option of ['rows', 'rounds', 'table']) expect(stdout).toContain(`--${option}`);
    expect(await run(['--rows', '1'])).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringContaining('expected --rows of at least 9') as string,
    });
  });
});

import { fileURLToPath } from 'node:url';
import { createVitest, parseCLI } from 'vitest/node';
import { TotalsReporter } from './support/totals-reporter.ts';

// What `npm test` runs: vitest, and after it once more each file that failed, as often as TEST_RETRIES says. Vitest's own `retry` runs a test
// again in the database that its first attempt has changed, so that it saves no test which truncates, seals or drops.
const { filter, options } = parseCLI(['vitest', 'run', ...process.argv.slice(2)]);
const reporter = new TotalsReporter({ retries: Number(process.env['TEST_RETRIES'] ?? 0) });
const vitest = await createVitest('test', {
  config: fileURLToPath(new URL('vitest.config.ts', import.meta.url)),
  ...options,
  run: true,
  watch: false,
  reporters: ['default', reporter],
});
try {
  await vitest.start(filter);
  while (reporter.runAgain.length > 0)
    await vitest.runTestSpecifications(reporter.runAgain.map((module) => module.toTestSpecification()));
  // Vitest never takes its status back.
  process.exitCode = reporter.failed > 0 ? 1 : 0;
} catch (error) {
  process.exitCode = 1;
  vitest.logger.printError(error);
} finally {
  await vitest.exit();
}

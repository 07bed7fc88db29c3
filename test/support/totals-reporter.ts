import type { SerializedError } from 'vitest';
import type { Reporter, TestModule, TestRunEndReason, Vitest } from 'vitest/node';
import { missingToolsNotice } from './debian-tools.ts';
import { skippedNotice } from './postgres/skipped-notice.ts';

/**
 * Ends a run with the line `N passed, N failed, N skipped`, alone and without colour, for programs that read the log.
 * A file that cannot be loaded, a failed hook and an error outside of any test count as one failure each: a red run
 * never says `0 failed`. When the server or a tool was missing, the notice about it is repeated above that line, and so is the name
 * of every test that failed first and passed when it was run again (`TEST_RETRIES`): it has a fault, or what it tests has.
 */
export class TotalsReporter implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(
    modules: readonly TestModule[],
    unhandledErrors: readonly SerializedError[],
    reason: TestRunEndReason,
  ): void {
    const totals = countTests(modules, unhandledErrors.length);
    // Global setup fails before the first test exists, and its error is not among the unhandled ones.
    if (reason === 'failed' && totals.failed === 0) totals.failed = 1;
    const { server, missingTools = [] } = this.#vitest?.getProvidedContext() ?? {};
    const notice = missingToolsNotice(missingTools);
    if (notice !== null) console.log(notice);
    if (server?.kind === 'unavailable') console.log(skippedNotice(server.reason));
    for (const name of passedAtLast(modules)) console.log(`FLAKY: passed when it was run again: ${name}`);
    console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  }
}

function passedAtLast(modules: readonly TestModule[]): string[] {
  return modules.flatMap((module) =>
    [...module.children.allTests()]
      .filter((test) => test.result().state === 'passed' && (test.diagnostic()?.retryCount ?? 0) > 0)
      .map((test) => `${module.relativeModuleId} > ${test.fullName}`),
  );
}

interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

function countTests(modules: readonly TestModule[], unhandledErrors: number): Totals {
  const totals: Totals = { passed: 0, failed: unhandledErrors, skipped: 0 };
  for (const module of modules) {
    totals.failed += module.errors().length;
    for (const suite of module.children.allSuites()) totals.failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      // A test that is still pending was interrupted: it did not pass, and nobody chose to skip it.
      totals[state === 'pending' ? 'failed' : state] += 1;
    }
  }
  return totals;
}

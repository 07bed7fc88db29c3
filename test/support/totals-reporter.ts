import type { SerializedError } from 'vitest';
import type { Reporter, TestModule, TestRunEndReason, Vitest } from 'vitest/node';
import { missingToolsNotice } from './debian-tools.ts';
import { skippedNotice } from './postgres/skipped-notice.ts';

/**
 * Ends a run with the line `N passed, N failed, N skipped`, alone and without colour, for programs that read the log.
 * A file that cannot be loaded, a failed hook and an error outside of any test count as one failure each: a red run
 * never says `0 failed`. When the server or a tool was missing, the notice about it is repeated above that line.
 * With `retries` the files that failed are to be run again before that line (`test/run.ts` does so); each test that failed at first and passed
 * then is named: it has a fault, or what it tests has.
 */
export class TotalsReporter implements Reporter {
  #vitest: Vitest | undefined;
  #retries: number;
  readonly #modules = new Map<string, TestModule>();
  #errors = 0;
  readonly #failedBefore = new Set<string>();
  /** The files to be run again, each in a process of its own. Empty at the end of the last run. */
  runAgain: readonly TestModule[] = [];
  /** What the last line counts as failed. One until there is such a line, because a run that never ended did not pass. */
  failed = 1;

  constructor({ retries = 0 }: { retries?: number } = {}) {
    this.#retries = retries;
  }

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(
    modules: readonly TestModule[],
    unhandledErrors: readonly SerializedError[],
    reason: TestRunEndReason,
  ): void {
    for (const module of modules) this.#modules.set(module.moduleId, module);
    const red = modules.filter((module) => !module.ok());
    // An error outside of any test, such as a connection that a failed test left behind, counts unless its file is run again.
    this.#errors += unhandledErrors.filter(
      (error) => !red.some(({ moduleId }) => moduleId === error['VITEST_TEST_PATH']),
    ).length;
    if (red.length > 0 && reason === 'failed' && this.#retries > 0) {
      this.#retries -= 1;
      this.runAgain = red;
      for (const name of red.flatMap((module) => namesOf(module, 'failed'))) this.#failedBefore.add(name);
      console.log(`Run again: ${red.map((module) => module.relativeModuleId).join(', ')}`);
      return;
    }
    this.runAgain = [];
    // In the last run, those of red files count as well.
    this.#end(Math.max(this.#errors, unhandledErrors.length), reason);
  }

  #end(unhandledErrors: number, reason: TestRunEndReason): void {
    const modules = [...this.#modules.values()];
    const totals = countTests(modules, unhandledErrors);
    // Global setup fails before the first test exists, and its error is not among the unhandled ones.
    if (reason === 'failed' && totals.failed === 0) totals.failed = 1;
    this.failed = totals.failed;
    const { server, missingTools = [] } = this.#vitest?.getProvidedContext() ?? {};
    const notice = missingToolsNotice(missingTools);
    if (notice !== null) console.log(notice);
    if (server?.kind === 'unavailable') console.log(skippedNotice(server.reason));
    for (const name of modules.flatMap((module) => namesOf(module, 'passed')))
      if (this.#failedBefore.has(name)) console.log(`FLAKY: passed when it was run again: ${name}`);
    console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  }
}

function namesOf(module: TestModule, state: 'passed' | 'failed'): string[] {
  return [...module.children.allTests(state)].map((test) => `${module.relativeModuleId} > ${test.fullName}`);
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

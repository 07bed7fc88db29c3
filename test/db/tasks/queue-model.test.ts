import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { taskTenant } from '../../support/task-target.ts';
import { queueCommands } from './queue-commands.ts';
import { QueueModel } from './queue-model.ts';

/** Histories of one run of the suite; QUEUE_HISTORIES asks for more. */
const histories = Number(process.env['QUEUE_HISTORIES'] ?? 20);

describe.each(apiTargets)('random histories of a queue (%s)', (kind, open) => {
  let target: ApiTarget;

  beforeAll(async () => {
    target = await open();
  });
  afterAll(() => target?.close());

  test('are what the model says, step by step, so no task is lost or completed twice', async () => {
    const seen = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(
        fc.noBias(fc.commands([...queueCommands], { maxCommands: 120, size: 'max' })),
        async (history) => {
          const [model, tenant] = [new QueueModel(), await taskTenant(target)];
          await fc.asyncModelRun(() => ({ model, real: tenant }), history);
          for (const { status, ended } of model.tasks) {
            const completions = ended.filter(({ outcome }) => outcome === 'completed').length;
            expect(completions).toBe(status === 'completed' ? 1 : 0);
            for (const { outcome } of ended) seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
          }
        },
      ),
      { numRuns: histories, endOnFailure: false },
    );
    console.log(`${kind}: ${histories} histories, attempts: ${JSON.stringify(Object.fromEntries(seen))}`);
    // Histories in which nothing happens would prove nothing.
    for (const outcome of ['completed', 'failed', 'expired'])
      expect(seen.get(outcome) ?? 0, `attempts that ended so: ${outcome}`).toBeGreaterThan(0);
  }, 600_000);
});

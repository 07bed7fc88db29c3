import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { holdContest, isolationArguments } from './contest.ts';

// The long form, with host names and all distances, is test/embedded/two-engines.ts. Skipped on systems without
// namespaces.
test.skipIf(isolationArguments() === null)(
  'one of two engines in two pid namespaces serves a directory, and the other is refused by name; a killed one is replaced at once',
  { timeout: 120_000 },
  async () => {
    const database = join(inject('embeddedTemplate'), 'migrated');
    const result = await holdContest({ isolation: 'pid namespaces', apartMs: 0, database, rows: 100 });
    expect(result).toMatchObject({ serving: 1, lost: 0, problems: [] });
    expect(result.acknowledged).toBeGreaterThanOrEqual(100);
    expect(result.refusals).toHaveLength(1);
  },
);

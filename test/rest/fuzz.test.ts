import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { emptyDataDirectory } from '../support/embedded-template.ts';
import { embeddedConformanceDatabase } from './conformance/embedded-database.ts';
import type { ConformanceDatabase } from './conformance/load-schema.ts';
import { FuzzTarget, textOutsideNames } from './fuzz/target.ts';
import { fuzzRequests } from './fuzz/requests.ts';

describe('any request', () => {
  let conformance: ConformanceDatabase;
  let target: FuzzTarget;
  beforeAll(async () => {
    conformance = await embeddedConformanceDatabase(await emptyDataDirectory());
    target = new FuzzTarget(conformance.database);
  }, 120_000);
  afterAll(async () => {
    await target?.close();
    await conformance?.close();
  });

  // The long form is `node test/rest/fuzz.ts`.
  test(
    'gets an answer or a 4xx with a code, and its text stays out of the SQL',
    { timeout: 300_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(fuzzRequests(), async (request) => {
          expect(await target.problems(request)).toEqual([]);
        }),
        { numRuns: 1_500 },
      );
      // If every request were refused, the run would prove little.
      expect(target.statuses.get(200) ?? 0).toBeGreaterThan(100);
      expect(target.statements).toBeGreaterThan(300);
    },
  );
});

test('text in a statement is found wherever it is not a name', () => {
  expect(textOutsideNames('select "a"."zq""b" from "x" where "c" = $1')).toBeNull();
  expect(textOutsideNames(`select "a" from "x" where "c" = 'zq'`)).toMatch(/= 'zq'/);
  expect(textOutsideNames('select "a" zq" from "x"')).toMatch(/zq/);
  expect(textOutsideNames('select "a from \\x')).toMatch(/"/);
});

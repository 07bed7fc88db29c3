import { expect, test } from 'vitest';
import { compareTables } from '../../../src/backup/digests/compare-tables.ts';
import type { TableDigest } from '../../../src/backup/digests/table-digests.ts';

const agents: TableDigest = { table: '"app"."agents"', rows: 3, digest: '17' };
const tasks: TableDigest = { table: '"app"."tasks"', rows: 40, digest: '-5' };
const empty: TableDigest = { table: '"app"."empty"', rows: 0, digest: '0' };

test('the same tables in any order have no difference, and the rows are counted', () => {
  expect(compareTables([agents, tasks, empty], [empty, tasks, agents])).toEqual({
    comparedTables: 3,
    comparedRows: 43,
    differences: [],
  });
});

test('one row more, one row changed, a table missing and a table too many are a sentence each', () => {
  const { differences } = compareTables(
    [agents, tasks, { ...empty, rows: 2 }],
    [
      { ...agents, rows: 4 },
      { ...tasks, digest: '-6' },
      { ...empty, table: '"app"."other"' },
    ],
  );
  expect(differences).toEqual([
    '"app"."agents" has 4 rows in the restored database, and 3 in the original',
    '"app"."tasks" has 40 rows on both sides, but their contents differ',
    '"app"."empty" is missing from the restored database; the original has 2 rows',
    '"app"."other" is in the restored database only, with 0 rows',
  ]);
});

test('a comparison of no rows is a difference', () => {
  expect(compareTables([empty], [empty]).differences).toEqual(['no row was compared']);
  expect(compareTables([], []).differences).toEqual(['no row was compared']);
});

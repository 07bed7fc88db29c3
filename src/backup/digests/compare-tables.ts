import type { TableDigest } from './table-digests.ts';

/** What became of a comparison. It is good only when rows were compared and there is no difference. */
export interface Comparison {
  readonly comparedTables: number;
  /** Rows of the tables that are on both sides, as the original has them. */
  readonly comparedRows: number;
  /** A sentence for each table that is not the same on both sides. */
  readonly differences: readonly string[];
}

/** Compares a restored database with its original, table by table, without tolerance. The order of either does not matter. */
export function compareTables(
  original: readonly TableDigest[],
  restored: readonly TableDigest[],
): Comparison {
  const found = new Map(restored.map((digest) => [digest.table, digest]));
  const differences: string[] = [];
  let comparedTables = 0;
  let comparedRows = 0;
  for (const { table, rows, digest } of original) {
    const copy = found.get(table);
    found.delete(table);
    if (!copy) {
      differences.push(`${table} is missing in what was restored; the original has ${rows} rows`);
      continue;
    }
    comparedTables += 1;
    comparedRows += rows;
    if (copy.rows !== rows) {
      differences.push(`${table} has ${copy.rows} rows in what was restored, and ${rows} in the original`);
    } else if (copy.digest !== digest) {
      differences.push(`${table} has ${rows} rows on both sides, and they are not the same`);
    }
  }
  for (const { table, rows } of found.values()) {
    differences.push(`${table} is in what was restored only, with ${rows} rows`);
  }
  if (comparedRows === 0) differences.push('no row was compared');
  return { comparedTables, comparedRows, differences };
}

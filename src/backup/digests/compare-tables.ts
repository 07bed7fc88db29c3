import type { TableDigest } from './table-digests.ts';

/** The result of a comparison. It is good only when rows were compared and `differences` is empty. */
export interface Comparison {
  readonly comparedTables: number;
  /** Rows of the tables on both sides, counted in the original. */
  readonly comparedRows: number;
  /** A sentence for each table that differs between the two sides. */
  readonly differences: readonly string[];
}

/**
 * Compares a restored database with its original, table by table, without tolerance. The tables may come in any
 * order.
 */
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
      differences.push(`${table} is missing from the restored database; the original has ${rows} rows`);
      continue;
    }
    comparedTables += 1;
    comparedRows += rows;
    if (copy.rows !== rows) {
      differences.push(
        `${table} has ${copy.rows} rows in the restored database, and ${rows} in the original`,
      );
    } else if (copy.digest !== digest) {
      differences.push(`${table} has ${rows} rows on both sides, but their contents differ`);
    }
  }
  for (const { table, rows } of found.values()) {
    differences.push(`${table} is in the restored database only, with ${rows} rows`);
  }
  if (comparedRows === 0) differences.push('no row was compared');
  return { comparedTables, comparedRows, differences };
}

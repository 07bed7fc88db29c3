import type { Hash } from 'node:crypto';
import type { Executor } from '../db/database.ts';
import type { StoredRow } from './load-file.ts';
import type { Target } from './store.ts';

/** The database's answer about rows after they were committed. */
export interface Verdict {
  /** Numbers of rows that the database counted: new ones, and ones that existed already. */
  readonly inserted: number;
  readonly existing: number;
  /** Ids of rows whose hash differs from the file's. */
  readonly mismatches: readonly string[];
}

const idsPerQuery = 5_000;

/**
 * Counts the rows in the database, and compares the hashes that Postgres computes with those of the file. A row
 * that existed before and differs is counted but not compared, because it was left alone. The hashes of all others are added to `digests`.
 */
export async function verify(
  executor: Executor,
  { table, hashed }: Target,
  rows: readonly StoredRow[],
  digests: { readonly read: Hash; readonly database: Hash },
): Promise<Verdict> {
  const counted = { inserted: 0, existing: 0 };
  const mismatches: string[] = [];
  const hashes = hashed.map((text) => `encode(sha256(convert_to(${text}, 'UTF8')), 'hex')`).join(', ');
  for (let from = 0; from < rows.length; from += idsPerQuery) {
    const part = rows.slice(from, from + idsPerQuery);
    const ids = part.map(({ id }) => id);
    const found = await executor.query<{ id: string; hashes: (string | null)[] }>({
      text: `select t.id::text as id, array[${hashes}] as hashes from ${table} t where t.id = any($1)`,
      values: [ids],
    });
    const inDatabase = new Map(found.rows.map((row) => [row.id, row.hashes]));
    for (const { id, row, inserted, differs } of part) {
      const actual = inDatabase.get(id);
      // A missing row shows in the count.
      if (!actual) continue;
      counted[inserted ? 'inserted' : 'existing'] += 1;
      if (differs.length > 0) continue;
      for (const [i, hash] of row.hashes.entries()) {
        if (hash === null) continue;
        digests.read.update(`${id} ${hash}\n`);
        digests.database.update(`${id} ${actual[i]}\n`);
      }
      if (row.hashes.some((hash, i) => hash !== null && hash !== actual[i])) mismatches.push(id);
    }
  }
  return { ...counted, mismatches };
}

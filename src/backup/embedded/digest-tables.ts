import type { Executor } from '../../db/database.ts';
import { quoteIdentifier, sql } from '../../db/statement.ts';
import { digestTables, listTables } from '../digests/table-digests.ts';
import type { TableDigest } from '../digests/table-digests.ts';
import type { FileIndex, KnownDigest } from './file-index.ts';
import { isSame } from './file-set.ts';
import type { FileSet } from './file-set.ts';

/** The most bytes to digest while writers wait: about ten seconds on a slow machine. */
const largestDigested = 1024 * 1024 * 1024;

export interface HeldDigests {
  readonly known: readonly KnownDigest[];
  /** Tables that were too large to digest. */
  readonly undigested: readonly string[];
  /** The number of tables that had changed. */
  readonly computed: number;
}

/**
 * Digests of all tables. A table whose files are the same as at an earlier snapshot keeps its digest from then:
 * reading everything would make writers wait for seconds. Call it right after a checkpoint in the same transaction,
 * so that the disk holds everything as `files` describes it.
 */
export async function digestHeld(
  held: Executor,
  files: FileSet,
  earlier: FileIndex | null,
): Promise<HeldDigests> {
  const layout = await readLayout(held);
  const before = new Map(earlier?.digests.map((known) => [known.digest.table, known]));
  const identities = new Map(earlier?.files.map(({ path, identity }) => [path, identity]));
  const segments = segmentsOf(files);
  const known: KnownDigest[] = [];
  const changed: (Omit<KnownDigest, 'digest'> & { table: string; bytes: number })[] = [];
  for (const table of await listTables(held)) {
    const { shape, paths } = layout.get(table) ?? { shape: '', paths: [] };
    const own = paths.flatMap((path) => segments.get(path) ?? []);
    const last = before.get(table);
    const unchanged =
      last !== undefined &&
      last.shape === shape &&
      last.files.length === own.length &&
      own.every((path, i) => {
        const identity = files.files.get(path);
        return (
          path === last.files[i] && identity !== undefined && isSame(identities.get(path) ?? null, identity)
        );
      });
    if (unchanged) known.push({ ...last, files: own });
    else {
      const bytes = own.reduce((sum, path) => sum + (files.files.get(path)?.bytes ?? 0), 0);
      changed.push({ table, shape, files: own, bytes });
    }
  }
  changed.sort((a, b) => a.bytes - b.bytes);
  const undigested: string[] = [];
  let bytes = 0;
  let computed = 0;
  for (const { table, shape, files: own, bytes: size } of changed) {
    bytes += size;
    if (bytes > largestDigested) {
      undigested.push(table);
      continue;
    }
    const [digest] = await digestTables(held, [table]);
    if (digest) known.push({ digest, shape, files: own });
    computed++;
  }
  return { known: known.sort(byTable), undigested, computed };
}

/** The digests alone, in the form that a manifest holds. */
export function plainDigests(known: readonly KnownDigest[]): TableDigest[] {
  return known.map(({ digest }) => digest);
}

interface Layout {
  readonly shape: string;
  /** The first files of the table and of its TOAST table. */
  readonly paths: readonly string[];
}

/**
 * The files of each table, and the shape of its rows: a change of a column or an enum changes rows without touching
 * the files.
 */
async function readLayout(held: Executor): Promise<ReadonlyMap<string, Layout>> {
  const { rows } = await held.query<{
    schema: string;
    name: string;
    shape: string;
    paths: (string | null)[];
  }>(sql`
    select n.nspname as schema, c.relname as name,
      (
        select md5(
          string_agg(concat_ws(' ', a.attnum, a.atttypid, a.attisdropped, a.attmissingval::text), ',' order by a.attnum)
          || (select concat(count(*), ' ', sum(hashtextextended(e::text, 0))) from pg_catalog.pg_enum e)
        )
        from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0
      ) as shape,
      array[pg_catalog.pg_relation_filepath(c.oid), pg_catalog.pg_relation_filepath(nullif(c.reltoastrelid, 0))] as paths
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'm')`);
  return new Map(
    rows.map(({ schema, name, shape, paths }) => [
      `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`,
      { shape, paths: paths.filter((path) => path !== null) },
    ]),
  );
}

/** The files of a relation, by its first one: `base/5/16384`, `base/5/16384.1`, ... */
function segmentsOf({ files }: FileSet): ReadonlyMap<string, string[]> {
  const segments = new Map<string, string[]>();
  for (const path of [...files.keys()].sort()) {
    const first = path.replace(/\.\d+$/, '');
    const found = segments.get(first);
    if (found) found.push(path);
    else segments.set(first, [path]);
  }
  return segments;
}

function byTable(one: KnownDigest, other: KnownDigest): number {
  return one.digest.table < other.digest.table ? -1 : 1;
}

import type { Executor } from '../db/database.ts';
import { quoteIdentifier, sql } from '../db/statement.ts';
import type { Target } from './load-plan.ts';
import { ExportRefused } from './manifest.ts';
import type { Manifest } from './manifest.ts';

/** A table has a partition a day for some months. */
const mostPartitions = 10_000;

/** Makes the partitions that the rows of an export need and the database lacks. */
export async function makePartitions(executor: Executor, targets: readonly Target[]): Promise<void> {
  for (const { table, file } of targets) {
    if ((file.partitions?.length ?? 0) > mostPartitions) {
      throw new ExportRefused(
        `the export has ${file.partitions?.length} partitions of ${table.name}; expected ${mostPartitions} at most`,
      );
    }
    for (const { from, to } of table.partitioned ? (file.partitions ?? []) : []) {
      if (Number.isNaN(Date.parse(from)) || Number.isNaN(Date.parse(to))) {
        throw new ExportRefused(
          `the export has a partition of ${table.name} from ${JSON.stringify(from)} to ${JSON.stringify(to)}; expected two moments`,
        );
      }
      await executor.query(sql`
        select app_private.create_partition(
          ${table.relation}::regclass,
          (${table.name.split('.')[1]} || '_p' || to_char(
            ${from}::timestamptz,
            case when ${to}::timestamptz - ${from}::timestamptz > interval '2 days' then 'YYYYMM' else 'YYYYMMDD' end
          ))::name,
          ${from}::timestamptz,
          ${to}::timestamptz
        )
        where not app_private.partition_ranges(${table.relation}::regclass) @> tstzrange(${from}::timestamptz, ${to}::timestamptz)`);
    }
  }
}

/** The sequences that these tables own (null: that any table owns), and those that no table owns, by name: schema and sequence. */
export async function knownSequences(
  executor: Executor,
  tables: readonly { readonly name: string }[] | null,
): Promise<ReadonlyMap<string, { readonly schema: string; readonly sequence: string }>> {
  const { rows } = await executor.query<{ name: string; schema: string; sequence: string }>(sql`
    select n.nspname || '.' || c.relname as name, n.nspname as schema, c.relname as sequence
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid
      and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
    left join pg_class o on o.oid = d.refobjid
    where c.relkind = 'S' and (
      n.nspname in ('app_private', 'app_public', 'legacy') and o.oid is null
      or ${tables === null} and n.nspname not in ('graphile_worker', 'graphile_migrate')
      or o.relnamespace::regnamespace || '.' || o.relname = any (${(tables ?? []).map(({ name }) => name)})
    )`);
  return new Map(rows.map((row) => [row.name, row]));
}

/** Moves sequences on, so that none gives a number again that a row has. None is moved back. */
export async function moveSequences(
  executor: Executor,
  { sequences, part = false }: Manifest,
  targets: readonly Target[],
): Promise<void> {
  const known = await knownSequences(executor, part ? null : targets.map(({ table }) => table));
  for (const [name, last] of Object.entries(sequences)) {
    const found = known.get(name);
    // It numbers a table of others, which stayed where it is.
    if (!found && part) continue;
    if (!found) throw new ExportRefused(`the export has the sequence ${name}, and the database does not`);
    const quoted = `${quoteIdentifier(found.schema)}.${quoteIdentifier(found.sequence)}`;
    await executor.query(sql`
      select setval(${quoted}::regclass, greatest(coalesce(pg_sequence_last_value(${quoted}::regclass), 1), ${last}::bigint))`);
  }
}

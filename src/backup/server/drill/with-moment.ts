import type { Database, Transaction } from '../../../db/database.ts';
import { sql } from '../../../db/statement.ts';
import { parseLsn } from '../wal/wal-position.ts';
import type { Lsn } from '../wal/wal-position.ts';
import { listTables } from '../../digests/table-digests.ts';

/** One moment of a database: a transaction's view of it, and the stretch of WAL in which the moment lies. */
export interface Moment {
  /** The snapshot as `pg_current_snapshot` prints it. */
  readonly snapshot: string;
  readonly wal: {
    readonly start: Lsn;
    readonly end: Lsn;
    /**
     * The position up to which WAL must be received so that a replay reaches `end`. Replay stops where the following
     * record begins.
     */
    readonly needed: Lsn;
  };
  readonly tables: readonly string[];
}

/**
 * How far before the snapshot its stretch of WAL begins. A transaction whose commit is written but still invisible
 * after this time is not waiting for the disk.
 */
const lookBackMs = 1_000;

/**
 * Opens a moment, and calls `read` in the transaction that sees it; the moment lasts as long as that transaction. Its
 * locks do not disturb writers, but the one that keeps tables from being dropped (`access share`) delays the removal
 * of partitions.
 */
export async function withMoment<T>(
  database: Database,
  read: (reader: Transaction, moment: Moment) => Promise<T>,
): Promise<T> {
  const { rows: before } = await database.query<{ start: string }>(
    sql`select pg_catalog.pg_current_wal_insert_lsn()::text as start`,
  );
  await new Promise((resolve) => setTimeout(resolve, lookBackMs));
  const readAt = async (reader: Transaction): Promise<T> => {
    const { rows: seen } = await reader.query<{ snapshot: string }>(
      sql`select pg_catalog.pg_current_snapshot()::text as snapshot`,
    );
    // A commit that the snapshot does not see has its record either before this position, where it is read, or after
    // it, where it does no harm.
    const { rows: after } = await reader.query<{ end: string; needed: string }>(sql`
      select pg_catalog.pg_logical_emit_message(false, 'lightning', 'the end of a drill')::text as end,
        pg_catalog.pg_logical_emit_message(false, 'lightning', 'behind it', true)::text as needed`);
    const tables = await listTables(reader);
    await reader.query({ text: `lock table only ${tables.join(', only ')} in access share mode` });
    const { start = '' } = before[0] ?? {};
    const { snapshot = '' } = seen[0] ?? {};
    const { end = '', needed = '' } = after[0] ?? {};
    return read(reader, {
      snapshot,
      wal: { start: parseLsn(start), end: parseLsn(end), needed: parseLsn(needed) },
      tables,
    });
  };
  return database.transaction({}, readAt, 'repeatable read');
}

import type { Transaction, TransactionSettings } from '../db/database.ts';
import { quoteIdentifier, quoteLiteral } from '../db/statement.ts';
import { OperationalError } from '../operational-error.ts';
import type { Table } from './catalog.ts';

/** The settings under which Postgres prints every value in one way, whatever the server, the database and the login prefer. */
export const printSettings: TransactionSettings = {
  search_path: 'pg_catalog',
  TimeZone: 'UTC',
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: '1',
  statement_timeout: '0',
  lock_timeout: '0',
};

/** The longest line, in bytes. A row that is longer can neither be exported nor imported. */
export const longestLine = 128 * 1024 * 1024;

/** Rows that are fetched at once where they are small. */
const rowsAtOnce = 256;
/** Bytes that so many rows may have; otherwise they are fetched one by one. */
const bytesAtOnce = 4 * 1024 * 1024;

/** A part of a table: its columns and their order as a manifest has them, and its rows. */
export interface Extract {
  readonly table: Table;
  readonly columns: readonly string[];
  readonly order: readonly string[];
  /** The condition of its rows, which are those of `t`; empty: all of them. */
  readonly where: string;
}

/**
 * The rows as lines of JSON, each with its newline, some at a time: a few megabytes at most, or one row. The transaction has
 * `printSettings`, sees every row, and has one snapshot.
 */
export async function* readLines(
  transaction: Transaction,
  extract: Extract,
): AsyncGenerator<{ readonly rows: number; readonly bytes: Buffer }> {
  await transaction.query({
    text: `declare exported_lines no scroll cursor for ${linesQuery(extract)}`,
  });
  try {
    for (let count = 1; ;) {
      const { rows } = await transaction.query({
        text: `fetch ${count} from exported_lines`,
        arrayMode: true,
      });
      const found = rows as unknown as [line: string, ahead: string][];
      if (found.length === 0) return;
      const bytes = Buffer.from(found.map(([line]) => `${line}\n`).join(''), 'utf8');
      if (count === 1 && bytes.length > longestLine) {
        throw new OperationalError(
          `a row of ${extract.table.name} has ${bytes.length} bytes as JSON, and a line of an export ${longestLine} at most`,
        );
      }
      yield { rows: found.length, bytes };
      count = Number(found.at(-1)?.[1]) <= bytesAtOnce ? rowsAtOnce : 1;
    }
  } finally {
    // After an error the transaction is over anyway.
    await transaction.query({ text: 'close exported_lines' }).catch(() => {});
  }
}

/**
 * Lines, and with each how many bytes the next ones have, so that nobody fetches more than fits. `offset 0` keeps Postgres from
 * making each line twice; it passes on the order of the innermost query.
 */
function linesQuery({ table, columns, order, where }: Extract): string {
  const known = new Map(table.columns.map((column) => [column.name, column]));
  const shown = columns.map((name) => {
    const quoted = quoteIdentifier(name);
    return known.get(name)?.form === 'text' ? `t.${quoted}::text as ${quoted}` : `t.${quoted}`;
  });
  const ordered = order.map((name) => {
    const quoted = `t.${quoteIdentifier(name)}`;
    const how = known.get(name)?.order;
    if (how === 'value') return quoted;
    return how === 'collated' ? `${quoted} collate "C"` : `${quoted}::text collate "C"`;
  });
  return `
    select l.line, coalesce(sum(octet_length(l.line)) over (rows between 1 following and ${rowsAtOnce} following), 0)
    from (
      select row_to_json(r.*)::text as line
      from (select ${shown.join(', ')} from ${table.relation} t ${where} order by ${ordered.join(', ')}) r
      offset 0
    ) l`;
}

/** The condition under which a row of the table `t` is the tenant's, or nothing. */
export function whereOf({ tenantColumn }: Table, tenant: string | null): string {
  return tenant === null || tenantColumn === null
    ? ''
    : `where t.${quoteIdentifier(tenantColumn)} = ${quoteLiteral(tenant).trim()}`;
}

import type { Transaction, TransactionSettings } from '../db/database.ts';
import { quoteIdentifier, quoteLiteral } from '../db/statement.ts';
import { OperationalError } from '../operational-error.ts';
import type { Table } from './catalog.ts';
import { nullsMember } from './json-line.ts';
import type { LineColumns } from './json-line.ts';

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

/** Rows that are fetched at once. */
const rowsAtOnce = 256;
/** Longer lines are fetched one by one, so that what is fetched at once has 8 MiB at most. */
const shortLine = 32 * 1024;

/** A part of a table: its columns and their order as a manifest has them, and its rows. */
export interface Extract {
  readonly table: Table;
  readonly columns: readonly string[];
  readonly order: readonly string[];
  /** The condition of its rows, which are those of `t`; empty: all of them. */
  readonly where: string;
}

/**
 * The rows as lines of JSON, each with its newline, some at a time: 8 MiB at most, or one row. The transaction has `printSettings`,
 * sees every row, and has one snapshot.
 */
export async function* readLines(
  transaction: Transaction,
  extract: Extract,
): AsyncGenerator<{ readonly rows: number; readonly bytes: Buffer }> {
  const lines = linesQuery(extract);
  await transaction.query({
    text: `declare short_lines no scroll cursor for
      select case when octet_length(l.line) <= ${shortLine} then l.line end, octet_length(l.line) from (${lines}) l`,
  });
  // A long line is read by a second cursor, which follows the first one. Without long lines it does no work.
  await transaction.query({ text: `declare long_lines no scroll cursor for ${lines}` });
  let before = 0;
  let passed = 0;
  for (;;) {
    const { rows } = await transaction.query({
      text: `fetch ${rowsAtOnce} from short_lines`,
      arrayMode: true,
    });
    const found = rows as unknown as [line: string | null, bytes: number][];
    if (found.length === 0) break;
    let short: string[] = [];
    for (const [i, [line, bytes]] of found.entries()) {
      if (line !== null) {
        short.push(line);
        continue;
      }
      if (bytes > longestLine) {
        throw new OperationalError(
          `a row of ${extract.table.name} has ${bytes} bytes as JSON, and a line of an export ${longestLine} at most`,
        );
      }
      if (short.length > 0) yield pieceOf(short);
      short = [];
      const number = before + i;
      if (number > passed) await transaction.query({ text: `move ${number - passed} in long_lines` });
      passed = number + 1;
      const { rows: whole } = await transaction.query({ text: 'fetch 1 from long_lines', arrayMode: true });
      yield pieceOf((whole as unknown as [string][]).flat());
    }
    if (short.length > 0) yield pieceOf(short);
    before += found.length;
  }
  await transaction.query({ text: 'close short_lines' });
  await transaction.query({ text: 'close long_lines' });
}

function pieceOf(lines: readonly string[]): { readonly rows: number; readonly bytes: Buffer } {
  return { rows: lines.length, bytes: Buffer.from(`${lines.join('\n')}\n`, 'utf8') };
}

/** `offset 0` keeps Postgres from making each line twice. */
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
  const rows = `(select ${shown.join(', ')} from ${table.relation} t ${where} order by ${ordered.join(', ')}) r`;
  const jsons = columns.filter((name) => known.get(name)?.type === 'jsonb');
  if (jsons.length === 0) return `select row_to_json(r.*)::text as line from ${rows} offset 0`;
  const isNull = (name: string): string => `r.${quoteIdentifier(name)} = 'null'::jsonb`;
  const named = jsons.map((name) => `case when ${isNull(name)} then ${quoteLiteral(name)} end`);
  return `
    select case
      when ${jsons.map(isNull).join(' or ')} then
        left(j.line, -1) || ${quoteLiteral(`,${JSON.stringify(nullsMember)}:`)}
          || to_json(array_remove(array[${named.join(', ')}]::text[], null))::text || '}'
      else j.line
    end as line
    from ${rows}
    cross join lateral (select row_to_json(r.*)::text as line offset 0) j
    offset 0`;
}

/** How the lines of a table are read: its columns as a file has them. */
export function lineColumnsOf(table: Table, columns: readonly string[]): LineColumns {
  const json = table.columns.filter(({ type }) => type === 'jsonb').map(({ name }) => name);
  return { columns, json: new Set(json) };
}

/** The condition under which a row of the table `t` is the tenant's, or nothing. */
export function whereOf({ tenantColumn }: Table, tenant: string | null): string {
  return tenant === null || tenantColumn === null
    ? ''
    : `where t.${quoteIdentifier(tenantColumn)} = ${quoteLiteral(tenant).trim()}`;
}

import { quoteIdentifier } from '../db/statement.ts';
import type { WritableColumn, WritableTable } from './writable-tables.ts';

// The statements that move rows from pg_temp.import_rows into their table. All take the numbers of rows $1 to $2, without those of $3.
// A row is compared and hashed as the text that Postgres prints of it, so that a value counts as the same only if it would be exported
// as the same.

/** The statements for a table whose rows have a key. */
export interface KeyedStatements {
  /** Stores rows. Returns `given`, `put` (how many), and the hashes `read` and `stored` over all of them. */
  readonly insert: string;
  /** Returns the `ordinal` of each row whose key is in the table (`stored`), or stands in a row before it. */
  readonly locate: string;
  /** Compares rows whose key is in the table. Returns `ordinal`, `key`, `differs` (columns), and the hashes `read` and `stored`. */
  readonly compare: string;
}

/** The statements for a table whose rows the database numbers. */
export interface NumberedStatements {
  readonly insert: string;
  /**
   * Finds for each row one that says the same and was stored before the row numbered $4, a stored row for one row of the source only.
   * Returns the `ordinal` and `read`, its hash.
   */
  readonly match: string;
}

const rows = 'r.ordinal between $1 and $2 and r.ordinal <> all ($3::int[])';

/** The statements for these columns of a table with a key. `named` are those that the source is known to have. */
export function keyedStatements(
  { table: { relation }, key }: WritableTable,
  columns: readonly WritableColumn[],
  named: ReadonlySet<string>,
): KeyedStatements {
  const keys = key.map(quoteIdentifier);
  const keyTypes = key.map((name) => columns.find((column) => column.name === name)?.type ?? 'text');
  // A key that is none is refused when it is stored.
  const safeKeys = keys.map(
    (name, i) =>
      `case when pg_catalog.pg_input_is_valid(r.${name}, '${keyTypes[i]}') then r.${name}::${keyTypes[i]} end as ${name}`,
  );
  const readable = columns.filter(({ isReadable }) => isReadable);
  // What a source leaves out and the database chose for itself is no difference.
  const given = (column: WritableColumn): string =>
    valueOf(
      column,
      missingOf(column) !== null || !named.has(column.name) ? `t.${quoteIdentifier(column.name)}` : null,
    );
  const same = keys.map((name, i) => `t.${name} = r.${name}::${keyTypes[i]}`).join(' and ');
  const differing = readable.map(
    (column) =>
      `case when row(${given(column)})::text <> row(t.${quoteIdentifier(column.name)})::text then '${column.name}' end`,
  );
  return {
    insert: insertOf(relation, columns, `on conflict (tenant_id, ${keys.join(', ')}) do nothing`),
    locate: `
      select k.ordinal, s.found is not null as stored
      from (
        select r.ordinal, ${keys.map((name) => `r.${name}`).join(', ')}, row_number() over (partition by ${keys.join(', ')} order by r.ordinal) as number
        from (select r.ordinal, ${safeKeys.join(', ')} from pg_temp.import_rows r where ${rows}) r
      ) k
      left join lateral (
        select true as found from ${relation} t where ${keys.map((name) => `t.${name} = k.${name}`).join(' and ')}
      ) s on true
      where s.found or k.number > 1 and ${keys.map((name) => `k.${name} is not null`).join(' and ')}
      order by k.ordinal`,
    compare: `
      select r.ordinal, ${keys.map((name) => `t.${name}::text`).join(" || ' ' || ")} as key,
        array_remove(array[${differing.join(', ')}]::text[], null) as differs,
        ${digest(`row(${readable.map(given).join(', ')})::text`)} as read,
        ${digest(`row(${readable.map(({ name }) => `t.${quoteIdentifier(name)}`).join(', ')})::text`)} as stored
      from pg_temp.import_rows r
      join ${relation} t on ${same}
      where ${rows.replace('<> all', '= any')}
      order by 1`,
  };
}

/** The statements for a table whose rows the database numbers. Every column that a source lacks has its default. */
export function numberedStatements(
  { table: { relation }, numbered, columns: all }: WritableTable,
  columns: readonly WritableColumn[],
): NumberedStatements {
  const number = quoteIdentifier(numbered ?? '');
  const names = all.map(({ name }) => quoteIdentifier(name));
  const list = names.join(', ');
  const given = columnsOf(all, columns).map((value, i) => `${value} as ${names[i]}`);
  const equal = (a: string, b: string): string =>
    names.map((name) => `${a}.${name} = ${b}.${name}`).join(' and ');
  return {
    insert: insertOf(relation, columns, ''),
    match: `
      with given as materialized (
        select r.*, row_number() over (partition by ${list} order by r.ordinal) as nth
        from (select r.ordinal, ${given.join(', ')} from pg_temp.import_rows r where ${rows}) r
      ), there as (
        select t.${number} as numbered, ${names.map((name) => `t.${name}`).join(', ')},
          row_number() over (partition by ${names.map((name) => `t.${name}`).join(', ')} order by t.${number}) as nth
        from (select distinct ${list} from given) g
        join ${relation} t on ${equal('t', 'g')}
        where t.${number} <= $4::bigint
          and not exists (select from pg_temp.import_matched m where m.numbered = t.${number})
      ), matched as (
        select g.ordinal, there.numbered, ${digest(`row(${names.map((name) => `g.${name}`).join(', ')})::text`)} as read
        from given g
        join there on ${equal('there', 'g')} and there.nth = g.nth
      ), noted as (
        insert into pg_temp.import_matched (numbered) select m.numbered from matched m
      )
      select m.ordinal, m.read from matched m order by 1`,
  };
}

/** Stores rows, and hashes what was given beside what Postgres stored. */
function insertOf(relation: string, columns: readonly WritableColumn[], onConflict: string): string {
  const names = columns.map(({ name }) => quoteIdentifier(name));
  const list = names.join(', ');
  const readable = columns.filter(({ isReadable }) => isReadable).map(({ name }) => quoteIdentifier(name));
  const values = columns.map((column, i) => `${valueOf(column, missingOf(column))} as ${names[i]}`);
  return `
    with given as materialized (
      select ${values.join(', ')} from pg_temp.import_rows r where ${rows}
    ), put as (
      insert into ${relation} as t (${list}) select ${list} from given ${onConflict}
      returning row(${readable.map((name) => `t.${name}`).join(', ')})::text as line
    )
    select g.given, g.read, p.put, p.stored
    from (select count(*)::int as given, ${ofAll('l.line')} as read from (select row(${readable.join(', ')})::text as line from given) l) g
    cross join (select count(*)::int as put, ${ofAll('p.line')} as stored from put p) p`;
}

/** The values of all of these columns, of which a source has only some. */
function columnsOf(all: readonly WritableColumn[], given: readonly WritableColumn[]): string[] {
  return all.map((column) =>
    given.includes(column) ? valueOf(column, missingOf(column)) : (column.fallback ?? `null::${column.type}`),
  );
}

/** The default takes the place of a missing value where there has to be one. */
function missingOf({ isRequired, fallback }: WritableColumn): string | null {
  return isRequired ? fallback : null;
}

/** The value of a column of import_rows `r`, in the column's type. */
function valueOf({ name, type }: WritableColumn, missing: string | null): string {
  const staged = `r.${quoteIdentifier(name)}`;
  const cast = type.endsWith('[]')
    ? `case when left(${staged}, 1) = '[' then array(select e.value from pg_catalog.jsonb_array_elements_text(${staged}::jsonb) e(value))::${type} else ${staged}::${type} end`
    : `${staged}::${type}`;
  return missing === null ? cast : `coalesce(${cast}, ${missing})`;
}

/**
 * A hash over rows in any order: sums of two hashes of each. SHA-256 over all rows in one order took a quarter of the time of an import of
 * points. Rows that are compared one by one have theirs.
 */
function ofAll(line: string): string {
  return `concat_ws(' ', sum(hashtextextended(${line}, 1)::numeric), sum(hashtextextended(${line}, 2)::numeric))`;
}

function digest(text: string): string {
  return `encode(sha256(convert_to(${text}, 'UTF8')), 'hex')`;
}

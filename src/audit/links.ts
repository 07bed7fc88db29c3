import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';

/** A link of the chain, with what the database computed anew from its columns and its parts. */
export interface Link {
  readonly number: number;
  readonly kind: 'rows' | 'removal';
  readonly rowCount: number;
  readonly totalRows: number;
  /** ISO 8601, UTC. */
  readonly sealedAt: string;
  /** In hexadecimal digits, as `hash`. */
  readonly previous: string;
  readonly hash: string;
  readonly hashIsRight: boolean;
  readonly digestIsRight: boolean;
}

/** Links read in one statement. */
const batch = 500;

/** The links of the chain in order. */
export async function* readLinks(executor: Executor): AsyncGenerator<Link> {
  let after = 0;
  for (;;) {
    const { rows } = await executor.query<Omit<Link, 'number' | 'rowCount' | 'totalRows'> & Counts>({
      ...sql`
        select s.number::pg_catalog.text, s.kind, s.row_count::pg_catalog.text as "rowCount",
          s.total_rows::pg_catalog.text as "totalRows", pg_catalog.to_char(s.sealed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "sealedAt",
          pg_catalog.encode(s.previous, 'hex') as previous, pg_catalog.encode(s.hash, 'hex') as hash,
          coalesce(s.hash = pg_catalog.sha256(
            s.previous || pg_catalog.int8send(s.number)
            || pg_catalog.int4send(pg_catalog.octet_length(s.kind)) || pg_catalog.convert_to(s.kind, 'UTF8')
            || pg_catalog.int8send(s.id_floor)
            || pg_catalog.xid8send(s.from_transaction_id) || pg_catalog.int8send(s.from_id)
            || pg_catalog.xid8send(s.to_transaction_id) || pg_catalog.int8send(s.to_id) || pg_catalog.int8send(s.max_id)
            || pg_catalog.int8send(s.row_count) || pg_catalog.int8send(s.total_rows) || s.digest
            || pg_catalog.timestamptz_send(coalesce(s.removed_month, '-infinity'))
            || pg_catalog.int4send(pg_catalog.octet_length(coalesce(s.removed_partition, '')))
            || pg_catalog.convert_to(coalesce(s.removed_partition, ''), 'UTF8')
            || pg_catalog.timestamptz_send(s.sealed_at)
            || pg_catalog.int4send(pg_catalog.octet_length(s.version)) || pg_catalog.convert_to(s.version, 'UTF8')
          ), false) as "hashIsRight",
          s.digest = case s.kind
            when 'rows' then pg_catalog.sha256(coalesce((
              select pg_catalog.string_agg(
                pg_catalog.timestamptz_send(p.month) || pg_catalog.int8send(p.row_count) || p.digest, ''::pg_catalog.bytea order by p.month
              )
              from audit.seal_parts p
              where p.number = s.number
            ), ''))
            else pg_catalog.sha256(coalesce((
              select pg_catalog.string_agg(p.digest, ''::pg_catalog.bytea order by p.number)
              from audit.seal_parts p
              where p.month = s.removed_month and p.number < s.number
            ), ''))
          end as "digestIsRight"
        from audit.seals s
        where s.number > ${after}
        order by s.number
        limit ${batch}`,
      prepare: true,
    });
    for (const { number, rowCount, totalRows, ...link } of rows) {
      yield { ...link, number: Number(number), rowCount: Number(rowCount), totalRows: Number(totalRows) };
    }
    if (rows.length < batch) return;
    after = Number(rows.at(-1)?.number);
  }
}

interface Counts {
  readonly number: string;
  readonly rowCount: string;
  readonly totalRows: string;
}

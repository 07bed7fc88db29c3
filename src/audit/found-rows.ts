import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';

/** A row of the audit log, named so that it can be found. */
export interface LogRow {
  /** The partition that has the row, or that covers the month of a removed one; null: there is none. */
  readonly partition: string | null;
  readonly id: string;
  readonly at: string | null;
  readonly table: string | null;
  readonly key: unknown;
}

/** What a link says about a month, beside what the log has in the link's stretch. */
export interface FoundPart {
  /** Such as `2026-11`, in UTC. */
  readonly month: string;
  readonly sealedRows: number;
  readonly foundRows: number;
  /** Whether retention has removed the partition of the month. */
  readonly removed: boolean;
  /** Whether the rows have the digest that was sealed. */
  readonly sameRows: boolean;
  /** Both are the same, the lists of rows too; where the partition was removed, nothing is there. */
  readonly sound: boolean;
}

/** The rows of the stretch of link `$1`, with their digest. */
const stretch = (digest: string, columns: string): string => `
  select r.id, r.transaction_id, ${columns}, ${digest} as digest
  from (
    select s.*, (select pg_catalog.min(n.id_floor) from audit.seals n where n.id_floor > s.id_floor) as id_ceiling
    from audit.seals s
    where s.number = $1
    offset 0
  ) s
  join audit.log r on (r.transaction_id, r.id) > (s.from_transaction_id, s.from_id)
    and (r.transaction_id, r.id) <= (s.to_transaction_id, s.to_id)
    and r.id > s.id_floor and (s.id_ceiling is null or r.id <= s.id_ceiling)`;

const isMonth = (column: string): string =>
  `pg_catalog.to_char(${column} at time zone 'UTC', 'YYYY-MM') = $2`;
const moment = (column: string): string =>
  `pg_catalog.to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** What a link says about each month, and what is there. `digest` is the expression of rowDigest. */
export async function foundParts(executor: Executor, digest: string, link: number): Promise<FoundPart[]> {
  const { rows } = await executor.query<
    Record<'sealed' | 'found', string> & Pick<FoundPart, 'month' | 'removed' | 'sameRows' | 'sound'>
  >({
    text: `
      select pg_catalog.to_char(coalesce(p.month, f.month) at time zone 'UTC', 'YYYY-MM') as month, coalesce(p.row_count, 0)::pg_catalog.text as sealed,
        coalesce(f.row_count, 0)::pg_catalog.text as found, x.removed,
        coalesce(p.digest = f.digest, false) as "sameRows",
        case
          when p.month is null then false
          when x.removed then f.month is null
          else coalesce(p.digest = f.digest and p.ids = f.ids and p.leaves = f.leaves, false)
        end as sound
      from (select * from audit.seal_parts where number = $1) p
      full join (
        select d.month, pg_catalog.count(*) as row_count,
          pg_catalog.sha256(pg_catalog.string_agg(pg_catalog.int8send(d.id) || d.digest, ''::pg_catalog.bytea order by d.transaction_id, d.id)) as digest,
          pg_catalog.array_agg(d.id order by d.transaction_id, d.id) as ids,
          pg_catalog.string_agg(pg_catalog.substr(d.digest, 1, 16), ''::pg_catalog.bytea order by d.transaction_id, d.id) as leaves
        from (${stretch(digest, "pg_catalog.date_trunc('month', r.at, 'UTC') as month")}) d
        group by d.month
      ) f on f.month = p.month
      cross join lateral (
        select exists (
          select from audit.seals e
          where e.kind = 'removal' and e.number > $1 and e.removed_month = coalesce(p.month, f.month)
        ) as removed
      ) x
      order by coalesce(p.month, f.month)`,
    values: [link],
    prepare: true,
  });
  return rows.map(({ sealed, found, ...part }) => ({
    ...part,
    sealedRows: Number(sealed),
    foundRows: Number(found),
  }));
}

/**
 * The first row of a month in the stretch of a link that is not as it was sealed. Null: the lists of rows agree, so that not the
 * rows were altered but the list.
 */
export async function firstDifference(
  executor: Executor,
  digest: string,
  link: number,
  month: string,
): Promise<{ readonly kind: 'altered' | 'removed' | 'slipped in'; readonly row: LogRow } | null> {
  const { rows } = await executor.query<{ kind: 'altered' | 'removed' | 'slipped in' } & LogRow>({
    text: `
      with sealed as (
        select i.id, i.position, pg_catalog.substr(p.leaves, (16 * (i.position - 1) + 1)::pg_catalog.int4, 16) as leaf
        from audit.seal_parts p cross join unnest(p.ids) with ordinality i(id, position)
        where p.number = $1 and ${isMonth('p.month')}
      ),
      found as (
        select d.*, pg_catalog.substr(d.digest, 1, 16) as leaf
        from (${stretch(digest, 'r.at, r.table_name, r.key, r.tableoid')}) d
        where ${isMonth('d.at')}
      ),
      placed as (
        select f.*, s.position, s.leaf as sealed_leaf,
          coalesce(s.position, pg_catalog.max(s.position) over (order by f.transaction_id, f.id), 0) as place
        from found f left join sealed s on s.id = f.id
      ),
      differences as (
        select case when p.position is null then 'slipped in' else 'altered' end as kind, p.tableoid, p.id, p.at, p.table_name, p.key,
          p.place, p.transaction_id
        from placed p
        where p.sealed_leaf is distinct from p.leaf
        union all
        select 'removed', (
            select i.inhrelid
            from pg_catalog.pg_inherits i
            join pg_catalog.pg_class c on c.oid = i.inhrelid
            where i.inhparent = 'audit.log'::pg_catalog.regclass
              and pg_catalog.strpos(
                pg_catalog.pg_get_expr(c.relpartbound, c.oid), 'FROM (''' || $2 || '-01'
              ) > 0
          ), s.id, null, null, null, s.position, null
        from sealed s
        where not exists (select from found f where f.id = s.id)
      )
      select d.kind, d.tableoid::pg_catalog.regclass::pg_catalog.text as partition, d.id::pg_catalog.text, ${moment('d.at')} as at,
        d.table_name as table, d.key
      from differences d
      order by d.place, d.kind = 'slipped in', d.transaction_id, d.id
      limit 1`,
    values: [link, month],
  });
  const [first] = rows;
  if (!first) return null;
  const { kind, ...row } = first;
  return { kind, row };
}

/**
 * The first row behind the last link of a numbering of transactions that has ended. Null: there is none, or the link is not the
 * last of one.
 */
export async function rowBehind(executor: Executor, link: number): Promise<LogRow | null> {
  const { rows } = await executor.query<LogRow>({
    ...sql`
      select r.tableoid::pg_catalog.regclass::pg_catalog.text as partition, r.id::pg_catalog.text, pg_catalog.to_char(r.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at,
        r.table_name as table, r.key
      from audit.seals s
      join audit.log r on (r.transaction_id, r.id) > (s.to_transaction_id, s.to_id) and r.id > s.id_floor
      where s.number = ${link}
        and not exists (select from audit.seals n where n.kind = 'rows' and n.number > s.number and n.id_floor = s.id_floor)
        and r.id <= (select pg_catalog.min(n.id_floor) from audit.seals n where n.id_floor > s.id_floor)
      order by r.transaction_id, r.id
      limit 1`,
    prepare: true,
  });
  return rows[0] ?? null;
}

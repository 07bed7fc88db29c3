-- The first row of a month in the stretch of a link that differs from what was sealed: kind `altered`, `removed` or `slipped in`.
-- A row that was removed is known by its id alone. No row when the lists of both agree.
create or replace function audit.first_difference(s audit.seals, month timestamptz)
returns table (kind text, partition text, id bigint, at timestamptz, table_name text, key jsonb)
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query execute format(
    $query$
      with sealed as (
        select i.id, i.position, substr(p.leaves, (16 * (i.position - 1) + 1)::integer, 16) as leaf
        from audit.seal_parts p cross join unnest(p.ids) with ordinality i(id, position)
        where p.number = $1 and p.month = $8
      ),
      found as (
        select
          r.id, r.transaction_id, r.at, r.table_name, r.key, r.tableoid::regclass::text as partition, substr(%s, 1, 16) as leaf
        from audit.log r
        where (r.transaction_id, r.id) > ($2, $3) and (r.transaction_id, r.id) <= ($4, $5)
          and r.id > $6 and ($7 is null or r.id <= $7)
          and r.at >= $8 and r.at < ($8 at time zone 'UTC' + interval '1 month') at time zone 'UTC'
      ),
      placed as (
        select
          f.*, s.position, s.leaf as sealed_leaf,
          coalesce(s.position, max(s.position) over (order by f.transaction_id, f.id), 0) as place
        from found f left join sealed s on s.id = f.id
      )
      select d.kind, d.partition, d.id, d.at, d.table_name, d.key
      from (
        select
          case when p.position is null then 'slipped in' else 'altered' end as kind, p.partition, p.id, p.at, p.table_name, p.key,
          p.place, p.transaction_id
        from placed p
        where p.sealed_leaf is distinct from p.leaf
        union all
        select 'removed', null, s.id, null, null, null, s.position, null
        from sealed s
        where not exists (select from found f where f.id = s.id)
      ) d
      order by d.place, d.kind = 'slipped in', d.transaction_id, d.id
      limit 1
    $query$,
    audit.log_digest_expression()
  )
  using
    (s).number, (s).from_transaction_id, (s).from_id, (s).to_transaction_id, (s).to_id, (s).id_floor,
    (select min(n.id_floor) from audit.seals n where n.id_floor > (s).id_floor), month;
end
$$;

comment on function audit.first_difference(audit.seals, timestamptz) is 'The first row in the stretch of a link that was altered, removed or slipped in.';

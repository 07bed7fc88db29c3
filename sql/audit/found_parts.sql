-- What a link says about each month, beside what the log holds in its stretch now. `sound`: both are the same, or the partition
-- was removed by retention and nothing of it is there. `same_rows`: the rows have the digest that was sealed, whatever their list says.
create or replace function audit.found_parts(s audit.seals)
returns table (month timestamptz, sealed_rows bigint, found_rows bigint, same_rows boolean, sound boolean)
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query execute format(
    $query$
      select
        coalesce(p.month, f.month), coalesce(p.row_count, 0), coalesce(f.row_count, 0), coalesce(p.digest = f.digest, false),
        case
          when p.month is null then false
          when x.removed then f.month is null
          else coalesce(p.digest = f.digest and p.ids = f.ids and p.leaves = f.leaves, false)
        end
      from (select * from audit.seal_parts p where p.number = $1) p
      full join (
        select
          d.month, count(*) as row_count,
          sha256(string_agg(int8send(d.id) || d.digest, ''::bytea order by d.transaction_id, d.id)) as digest,
          array_agg(d.id order by d.transaction_id, d.id) as ids,
          string_agg(substr(d.digest, 1, 16), ''::bytea order by d.transaction_id, d.id) as leaves
        from (
          select r.id, r.transaction_id, date_trunc('month', r.at, 'UTC') as month, %s as digest
          from audit.log r
          where (r.transaction_id, r.id) > ($2, $3) and (r.transaction_id, r.id) <= ($4, $5)
            and r.id > $6 and ($7 is null or r.id <= $7)
        ) d
        group by d.month
      ) f on f.month = p.month
      cross join lateral (
        select exists (
          select from audit.seals x
          where x.kind = 'removal' and x.number > $1 and x.removed_month = coalesce(p.month, f.month)
        ) as removed
      ) x
      order by 1
    $query$,
    audit.log_digest_expression()
  )
  using
    (s).number, (s).from_transaction_id, (s).from_id, (s).to_transaction_id, (s).to_id, (s).id_floor,
    (select min(n.id_floor) from audit.seals n where n.id_floor > (s).id_floor);
end
$$;

comment on function audit.found_parts(audit.seals) is 'What a link of the chain says about each month, beside what the log holds there now.';

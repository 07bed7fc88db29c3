-- Seals the next closed stretch of the audit log: up to most_rows rows, 32 MB of values at most, as one link of the chain. Returns
-- the new head; no row when nothing waits to be sealed. The worker calls it until then.
--
-- A row may be sealed once its transaction is below the oldest that still runs (the xmin of a snapshot). Why no row can come in
-- later between those that are sealed: a row has the id of its top-level transaction, whichever subtransaction wrote it
-- (pg_current_xact_id), and a snapshot's xmin is the oldest id of a transaction that has neither committed nor rolled back. A
-- prepared transaction counts as running until it is committed or rolled back, so its id, too, keeps xmin from passing. So below
-- xmin every transaction has ended, its rows are visible or never will be, and the rows below xmin in the order of (transaction_id,
-- id) are final. A transaction that began long ago and wrote first just now has a new id, and its rows stand at the end, whatever
-- their `at`. Nothing waits for anything: while an old transaction stays open, later rows stay unsealed, and ops.check_sealing
-- names it.
--
-- The counter of transactions begins anew when a dump is restored into another server. Then the log has rows of transactions
-- that this server has not reached: no snapshot sees a row of this server's own with such an id. Their ids (the sequence comes with
-- the dump) are lower than any that this server gives. The rest of them are sealed first, being final; the rows above their
-- greatest id are ordered anew, under an id_floor.
--
-- Definer: nobody writes the chain by hand, and the owner may read the log of all tenants.
create or replace function ops.seal_audit_log(version text, most_rows integer default 10000)
returns table (number bigint, hash text, at timestamptz, rows bigint)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_lowest constant bigint := -9223372036854775808;
  v_xmin xid8;
  v_xmax xid8;
  v_head audit.seals;
  v_last audit.seals;
  v_seal audit.seals;
  v_floor bigint;
  v_ceiling bigint;
  v_below xid8;
  v_is_over boolean;
begin
  if most_rows not between 1 and 20000 or version is null or octet_length(version) not between 1 and 64 then
    raise exception 'a seal takes 1 to 20000 rows and a version of 1 to 64 bytes'
      using errcode = 'LTA05';
  end if;
  -- One sealer at a time. A row, and not an advisory lock, which anybody can hold.
  perform from audit.sealing g where g.only_row for update;
  select s.* into v_head from audit.seals s order by s.number desc limit 1;
  select s.* into v_last from audit.seals s where s.kind = 'rows' order by s.number desc limit 1;
  v_floor := coalesce(v_last.id_floor, v_lowest);
  select pg_snapshot_xmin(c), pg_snapshot_xmax(c) into v_xmin, v_xmax from pg_current_snapshot() c;

  v_seal.from_transaction_id := coalesce(v_last.to_transaction_id, '0');
  v_seal.from_id := coalesce(v_last.to_id, v_lowest);
  v_below := v_xmin;
  -- In one statement, whose snapshot is that of pg_current_snapshot.
  select max(r.id) into v_ceiling
  from audit.log r
  where r.transaction_id >= pg_snapshot_xmax(pg_current_snapshot()) and r.id > v_floor
    and r.transaction_id is distinct from pg_current_xact_id_if_assigned();
  if v_ceiling is not null then
    v_ceiling := greatest(v_ceiling, (select max(s.max_id) from audit.seals s where s.id_floor = v_floor));
    v_below := null;
    if not exists (
      select
      from audit.log r
      where (r.transaction_id, r.id) > (v_seal.from_transaction_id, v_seal.from_id) and r.id > v_floor and r.id <= v_ceiling
    ) then
      v_floor := v_ceiling;
      v_ceiling := null;
      v_seal.from_transaction_id := '0';
      v_seal.from_id := v_lowest;
      v_below := v_xmin;
    end if;
  end if;

  select e.transaction_id, e.id into v_seal.to_transaction_id, v_seal.to_id
  from (
    select
      q.transaction_id, q.id,
      row_number() over (order by q.transaction_id, q.id) as n,
      sum(q.bytes) over (order by q.transaction_id, q.id) as bytes
    from (
      select r.transaction_id, r.id, coalesce(pg_column_size(r.old_values), 0) + coalesce(pg_column_size(r.new_values), 0) as bytes
      from audit.log r
      where (r.transaction_id, r.id) > (v_seal.from_transaction_id, v_seal.from_id)
        and (v_below is null or r.transaction_id < v_below)
        and r.id > v_floor and (v_ceiling is null or r.id <= v_ceiling)
      order by r.transaction_id, r.id
      limit most_rows
    ) q
  ) e
  where e.n = 1 or e.bytes <= 33554432
  order by e.transaction_id desc, e.id desc
  limit 1;

  if not found then
    -- All below xmin is sealed: what was written before the noted moment, once every transaction of then has ended. A note from above what this
    -- server has reached came with a dump: all transactions of the other server have ended.
    v_is_over := (select g.seen_xmax <= v_xmin or g.seen_xmax > v_xmax from audit.sealing g);
    update audit.sealing g
    set
      sealed_through = case when v_is_over then g.seen_at else g.sealed_through end,
      seen_xmax = case when v_is_over then v_xmax else g.seen_xmax end,
      seen_at = case when v_is_over then clock_timestamp() else g.seen_at end;
    return;
  end if;

  v_seal.number := coalesce(v_head.number, 0) + 1;
  execute format(
    $query$
      insert into audit.seal_parts (number, month, row_count, digest, ids, leaves)
      select
        $1, d.month, count(*),
        sha256(string_agg(int8send(d.id) || d.digest, ''::bytea order by d.transaction_id, d.id)),
        array_agg(d.id order by d.transaction_id, d.id),
        string_agg(substr(d.digest, 1, 16), ''::bytea order by d.transaction_id, d.id)
      from (
        select r.id, r.transaction_id, date_trunc('month', r.at, 'UTC') as month, %s as digest
        from audit.log r
        where (r.transaction_id, r.id) > ($2, $3) and (r.transaction_id, r.id) <= ($4, $5)
          and r.id > $6 and ($7 is null or r.id <= $7)
      ) d
      group by d.month
    $query$,
    audit.log_digest_expression()
  )
  using
    v_seal.number, v_seal.from_transaction_id, v_seal.from_id, v_seal.to_transaction_id, v_seal.to_id, v_floor, v_ceiling;

  v_seal.kind := 'rows';
  v_seal.id_floor := v_floor;
  select
    sum(p.row_count), max(m.id),
    sha256(string_agg(timestamptz_send(p.month) || int8send(p.row_count) || p.digest, ''::bytea order by p.month))
  into strict v_seal.row_count, v_seal.max_id, v_seal.digest
  from audit.seal_parts p
  cross join lateral (select max(i.id) as id from unnest(p.ids) i(id)) m
  where p.number = v_seal.number;
  v_seal.total_rows := coalesce(v_head.total_rows, 0) + v_seal.row_count;
  v_seal.sealed_at := clock_timestamp();
  v_seal.version := seal_audit_log.version;
  v_seal.previous := coalesce(v_head.hash, decode(repeat('00', 32), 'hex'));
  v_seal.hash := audit.seal_hash(v_seal);
  insert into audit.seals select (v_seal).*;
  return query select v_seal.number, encode(v_seal.hash, 'hex'), v_seal.sealed_at, v_seal.total_rows;
end
$$;

comment on function ops.seal_audit_log(text, integer) is 'Seals the next closed stretch of the audit log. Returns the new head of the chain; no row when nothing waits. LTA05 when the size or the version is not valid.';
grant execute on function ops.seal_audit_log(text, integer) to :WORKER;

-- Records the state of receiving WAL through a slot. Definer: nobody writes the table by hand.
create or replace function ops.see_wal_receiver(
  slot text, receiving boolean, received_lsn pg_lsn, kept_bytes bigint, safe_bytes bigint, wal_status text, problem text
) returns void
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  insert into ops.wal_receivers (slot, receiving, received_lsn, kept_bytes, safe_bytes, wal_status, problem)
  values (
    see_wal_receiver.slot, see_wal_receiver.receiving, see_wal_receiver.received_lsn, see_wal_receiver.kept_bytes,
    see_wal_receiver.safe_bytes, see_wal_receiver.wal_status, see_wal_receiver.problem
  )
  on conflict on constraint wal_receivers_pkey do update set
    receiving = excluded.receiving,
    received_lsn = coalesce(excluded.received_lsn, ops.wal_receivers.received_lsn),
    kept_bytes = excluded.kept_bytes,
    safe_bytes = excluded.safe_bytes,
    wal_status = excluded.wal_status,
    problem = excluded.problem,
    seen_at = clock_timestamp();
end;

comment on function ops.see_wal_receiver(text, boolean, pg_lsn, bigint, bigint, text, text) is 'Records the state of receiving WAL through a slot.';
grant execute on function ops.see_wal_receiver(text, boolean, pg_lsn, bigint, bigint, text, text) to :WORKER;

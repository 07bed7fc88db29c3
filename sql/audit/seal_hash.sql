-- The hash of a link: SHA-256 over all of its other columns. Texts stand behind their lengths, everything else has a fixed length.
create or replace function audit.seal_hash(s audit.seals) returns bytea
language sql immutable parallel safe
set search_path to pg_catalog, pg_temp
return sha256(
  (s).previous || int8send((s).number)
  || int4send(octet_length((s).kind)) || convert_to((s).kind, 'UTF8')
  || int8send((s).id_floor)
  || xid8send((s).from_transaction_id) || int8send((s).from_id)
  || xid8send((s).to_transaction_id) || int8send((s).to_id) || int8send((s).max_id)
  || int8send((s).row_count) || int8send((s).total_rows) || (s).digest
  || timestamptz_send(coalesce((s).removed_month, '-infinity'))
  || int4send(octet_length(coalesce((s).removed_partition, ''))) || convert_to(coalesce((s).removed_partition, ''), 'UTF8')
  || timestamptz_send((s).sealed_at)
  || int4send(octet_length((s).version)) || convert_to((s).version, 'UTF8')
);

comment on function audit.seal_hash(audit.seals) is 'The hash of a link of the chain, over all of its other columns.';

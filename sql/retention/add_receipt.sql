-- Adds deleted rows to the receipt of their run. For the functions that delete them, as the role that these run as.
create or replace function ops.add_receipt(policy text, tenant_id text, older_than timestamptz, row_count integer) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  update ops.retention_receipts r
  set row_count = r.row_count + add_receipt.row_count, at = clock_timestamp()
  where r.policy = add_receipt.policy and r.tenant_id is not distinct from add_receipt.tenant_id
    and r.older_than = add_receipt.older_than and r.partition is null;
  if not found then
    insert into ops.retention_receipts (policy, tenant_id, older_than, row_count)
    values (add_receipt.policy, add_receipt.tenant_id, add_receipt.older_than, add_receipt.row_count);
  end if;
end
$$;

comment on function ops.add_receipt(text, text, timestamptz, integer) is 'Adds deleted rows to the receipt of their run.';
grant execute on function ops.add_receipt(text, text, timestamptz, integer) to :JOBS;

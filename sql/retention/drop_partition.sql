-- Drops a partition that has been detached, with a receipt and a row of the audit log for each tenant. That takes the table
-- of tenants for an instant, because the partition's foreign key goes: it gives up after 200 ms, so that whoever queues
-- behind waits no longer. Definer: partitions belong to the owner, and this drops only what ops.partition_removals names.
create or replace function ops.drop_partition(partition text) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set lock_timeout to '200ms'
as $$
declare
  v_removal ops.partition_removals;
  v_table regclass := to_regclass(partition);
  v_bytes bigint;
  v_rows bigint;
begin
  select r.* into v_removal from ops.partition_removals r where r.partition = drop_partition.partition for update;
  if not found or v_table is null or exists (select from pg_inherits i where i.inhrelid = v_table) then
    raise exception '% is not a detached partition', partition
      using errcode = 'LTP05', hint = 'It is detached first: `lightning retention`, or the worker, does it.';
  end if;

  v_bytes := pg_total_relation_size(v_table);
  select coalesce(sum(r.count::bigint), 0) into v_rows from jsonb_each_text(v_removal.rows_by_tenant) r(tenant_id, count);
  execute format('drop table %s', v_table);

  insert into ops.retention_receipts (policy, tenant_id, older_than, partition, row_count, bytes)
  select v_removal.policy, r.tenant_id, upper(v_removal.held), partition, coalesce(r.count::bigint, 0),
    case when v_rows = 0 then v_bytes else v_bytes * r.count::bigint / v_rows end
  from (select) one
  left join jsonb_each_text(v_removal.rows_by_tenant) r(tenant_id, count) on true;
  insert into audit.log (tenant_id, table_name, operation, row_count, subject, role, request_id)
  select r.tenant_id, v_removal.parent, 'delete', least(r.count::bigint, 2147483647), a.subject, a.role, a.request_id
  from jsonb_each_text(v_removal.rows_by_tenant) r(tenant_id, count)
  cross join audit.actor() a;
  delete from ops.partition_removals r where r.partition = drop_partition.partition;
end
$$;

comment on function ops.drop_partition(text) is 'Drops a partition that has been detached, and leaves receipts. LTP05 when it is none.';
grant execute on function ops.drop_partition(text) to :WORKER;

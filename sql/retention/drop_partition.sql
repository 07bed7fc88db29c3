-- Drops a detached partition, with a receipt and a row of the audit log for each tenant. It counts the rows itself: the log says
-- nothing that a caller made up. Dropping its foreign key locks the table of tenants for an instant. It gives up waiting for that
-- lock after 200 ms, so that nobody queues behind it for longer. Definer: partitions belong to the owner, and this drops only those
-- that ops.count_detached_rows takes for detached ones.
create or replace function ops.drop_partition(partition text) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set lock_timeout to '200ms'
as $$
declare
  v_removal ops.partition_removals;
  v_rows jsonb := ops.count_detached_rows(partition);
  v_total bigint;
  v_bytes bigint := pg_total_relation_size(to_regclass(partition));
begin
  select r.* into strict v_removal from ops.partition_removals r where r.partition = drop_partition.partition for update;
  select coalesce(sum(r.count::bigint), 0) into v_total from jsonb_each_text(v_rows) r(tenant_id, count);
  execute format('drop table %s', to_regclass(partition));

  insert into ops.retention_receipts (policy, tenant_id, older_than, partition, row_count, bytes)
  select v_removal.policy, r.tenant_id, upper(v_removal.held), partition, coalesce(r.count::bigint, 0),
    case when v_total = 0 then v_bytes else v_bytes * r.count::bigint / v_total end
  from (select) one
  left join jsonb_each_text(v_rows) r(tenant_id, count) on true;
  insert into audit.log (tenant_id, table_name, operation, row_count, subject, role, request_id)
  select r.tenant_id, regexp_replace(partition, '_p[0-9]+$', ''), 'delete', least(r.count::bigint, 2147483647), a.subject, a.role, a.request_id
  from jsonb_each_text(v_rows) r(tenant_id, count)
  cross join audit.actor() a;
  delete from ops.partition_removals r where r.partition = drop_partition.partition;
end
$$;

comment on function ops.drop_partition(text) is 'Drops a detached partition, and leaves receipts. LTP05 when it is not a detached partition.';
grant execute on function ops.drop_partition(text) to :WORKER;

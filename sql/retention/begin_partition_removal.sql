-- Notes that a partition is going to be removed, and how many rows of whom are in it: nobody can count them once it is
-- detached. Nothing is added to it any more. Runs as the worker, which sees the rows of all tenants.
create or replace function ops.begin_partition_removal(
  policy text,
  parent text,
  partition text,
  range_start timestamptz,
  range_end timestamptz
) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into ops.partition_removals (partition, parent, policy, held, rows_by_tenant)
  select begin_partition_removal.partition, begin_partition_removal.parent, begin_partition_removal.policy,
    tstzrange(range_start, range_end), ops.rows_by_tenant(parent, range_start, range_end)
  where not exists (select from ops.partition_removals r where r.partition = begin_partition_removal.partition)
  on conflict on constraint partition_removals_pkey do nothing;
end
$$;

comment on function ops.begin_partition_removal(text, text, text, timestamptz, timestamptz) is 'Notes in ops.partition_removals that a partition is going to be removed, with its rows by tenant.';
grant execute on function ops.begin_partition_removal(text, text, text, timestamptz, timestamptz) to :WORKER;

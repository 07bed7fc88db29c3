-- Detaches a partition whose removal has begun, or finishes a detach that an earlier version left half done. A plain detach locks the
-- parent for an instant, and readers and writers queue behind it while it waits for those before it. So it gives up after 100 ms,
-- and the caller tries again after others have had their turn (src/retention/remove-partitions.ts). `detach ... concurrently` would
-- wait without holding anybody up, but it runs in no function, so whoever calls it has to own the table.
--
-- Once it is detached the partition is a table of the owner that nobody else has a right on. Row-level security is not forced on it
-- any more, so that the owner can count its rows (ops.count_detached_rows).
create or replace function ops.detach_partition(partition text, at timestamptz default now()) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set lock_timeout to '100ms'
as $$
declare
  v_removable record;
begin
  select p.* into v_removable
  from ops.removable_partitions(least(at, now())) p
  join ops.partition_removals r on r.partition = p.partition
  where p.partition = detach_partition.partition and p.state <> 'detached';
  if not found then
    raise exception '% is not a partition to be removed', partition
      using errcode = 'LTP05', hint = 'ops.begin_partition_removal begins it.';
  end if;

  -- The catalog wrote and quoted these names.
  execute format(
    'alter table %s detach partition %s %s',
    v_removable.parent, v_removable.partition, case v_removable.state when 'pending' then 'finalize' else '' end
  );
  execute format('alter table %s no force row level security', v_removable.partition);
end
$$;

comment on function ops.detach_partition(text, timestamptz) is 'Detaches a partition whose removal has begun. 55P03 when others hold its table for 100 ms; LTP05 when it must not be removed.';
grant execute on function ops.detach_partition(text, timestamptz) to :WORKER;

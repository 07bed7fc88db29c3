-- Records that the removal of a partition begins, or is tried again. Which partitions can go is asked of the catalog and of the
-- policies, and of no argument: `at` may lie in the past, for a simulated clock, and never in the future. Definer: what stands in
-- the table is dropped, so nobody writes it by hand.
create or replace function ops.begin_partition_removal(partition text, at timestamptz default now()) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_removable record;
begin
  select p.* into v_removable
  from ops.removable_partitions(least(at, now())) p
  where p.partition = begin_partition_removal.partition;
  if not found then
    raise exception '% is not a partition to be removed', partition
      using errcode = 'LTP05', hint = 'List them: select * from ops.removable_partitions();';
  end if;

  -- The removal waits for transactions older than this; see ops.removal_waits.
  insert into ops.partition_removals as r (partition, parent, policy, held, tried_at)
  values (
    v_removable.partition, v_removable.parent, v_removable.policy, tstzrange(v_removable.range_start, v_removable.range_end), now()
  )
  on conflict on constraint partition_removals_pkey do update
  set
    parent = excluded.parent, policy = excluded.policy, held = excluded.held, tried_at = excluded.tried_at, problem = null;
end
$$;

comment on function ops.begin_partition_removal(text, timestamptz) is 'Records in ops.partition_removals that the removal of a partition begins or is tried again. LTP05 when it must not be removed.';
grant execute on function ops.begin_partition_removal(text, timestamptz) to :WORKER;

-- Counts the rows of each tenant in a detached partition. Definer: nobody else has a right on it. It reads only what
-- ops.detach_partition detached: a table of this name that is attached, or that somebody else owns, is none.
create or replace function ops.count_detached_rows(partition text) returns jsonb
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_table regclass;
  v_rows jsonb;
begin
  select c.oid::regclass into v_table
  from ops.partition_removals r
  join pg_class c on c.oid = to_regclass(r.partition)
  where r.partition = count_detached_rows.partition and c.relkind = 'r' and not c.relispartition
    and c.relnamespace = 'app_public'::regnamespace and c.relowner = ':OWNER'::regrole
    and c.relname ~ '^metrics(_minute|_hour)?_p[0-9]{6,8}$';
  if not found then
    raise exception '% is not a partition to be removed', partition
      using errcode = 'LTP05', hint = '`lightning retention` or the worker detaches it first.';
  end if;
  execute format(
    'select coalesce(jsonb_object_agg(c.tenant_id, c.count), %L) from (select t.tenant_id, count(*) from %s t group by 1) c', '{}', v_table
  ) into v_rows;
  return v_rows;
end
$$;

comment on function ops.count_detached_rows(text) is 'How many rows of each tenant a detached partition has. LTP05 when it is not a detached partition.';
grant execute on function ops.count_detached_rows(text) to :WORKER;

-- The times covered by a table that is partitioned by range of one time, read from the bounds that the catalog prints.
create or replace function app_private.partition_ranges(parent regclass) returns tstzmultirange
language sql stable
set search_path to pg_catalog, pg_temp
set datestyle to 'ISO'
set timezone to 'UTC'
as $$
  select coalesce(range_agg(tstzrange(b.ends[1]::timestamptz, b.ends[2]::timestamptz)), '{}')
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  cross join regexp_match(
    pg_get_expr(c.relpartbound, c.oid), $bounds$^FOR VALUES FROM \('([^']+)'\) TO \('([^']+)'\)$bounds$
  ) b(ends)
  where i.inhparent = parent and not i.inhdetachpending
$$;

comment on function app_private.partition_ranges(regclass) is 'The times for which a table partitioned by time has partitions.';
grant execute on function app_private.partition_ranges(regclass) to :SERVICE, :ADMIN, :OPERATOR, :WORKER;

-- Moves up the time before which points are refused: to the midnight before which no tenant keeps them, and further for each
-- tenant that keeps less. Never moves it down. Points can be removed once their floor is closed: ops.close_metric_floors.
create or replace function ops.move_metric_floors(at timestamptz default now()) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  -- A floor never moves down again, so a time to come would refuse everybody's points until then.
  perform app_private.refuse_bounds('at', at <= now() + interval '1 minute', 'a time that has come');
  with wanted as (
    select t.id as tenant_id, date_bin('24 hours', move_metric_floors.at - ops.retention_of('metrics.raw', t.id), '2001-01-01 00:00:00Z') as kept_from
    from app_public.tenants t
  ),
  everybody as (
    select min(w.kept_from) as kept_from from wanted w having bool_and(w.kept_from is not null)
  )
  insert into ops.metric_floors as f (tenant_id, kept_from)
  select null, e.kept_from from everybody e
  union all
  select w.tenant_id, w.kept_from
  from wanted w
  where w.kept_from > coalesce((select e.kept_from from everybody e), '-infinity')
  on conflict (tenant_id) do update set kept_from = excluded.kept_from, moved_by = pg_current_xact_id()
  where excluded.kept_from > f.kept_from;
end
$$;

comment on function ops.move_metric_floors(timestamptz) is 'Moves up the time before which points are refused, by the retention of metrics.raw. LTP06 for a time to come.';
grant execute on function ops.move_metric_floors(timestamptz) to :WORKER;

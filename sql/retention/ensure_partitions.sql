-- Makes the missing partitions between now and the horizons: one a day for metrics and their rollups by minute, one a month
-- for the rollups by hour and for the audit log. The worker runs it every hour and `lightning migrate` at its end. It can
-- run at any time, and several times at once. Definer: partitions belong to the owner, and this makes only these.
create or replace function ops.ensure_partitions(
  metrics_days_ahead integer default 14,
  audit_months_ahead integer default 3,
  at timestamptz default now()
) returns setof text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set timezone to 'UTC'
as $$
declare
  v_parent text;
  v_start timestamptz;
  v_name text;
begin
  -- The worker's login can make tables by this, and no more than these.
  perform app_private.refuse_bounds('metrics_days_ahead', metrics_days_ahead between 0 and 62, '0 to 62');
  perform app_private.refuse_bounds('audit_months_ahead', audit_months_ahead between 0 and 24, '0 to 24');
  perform app_private.refuse_bounds('at', at between now() - interval '2 years' and now() + interval '1 day', 'a time of the last two years');

  -- One caller at a time: between its check and its create, another could take the name.
  -- A lock of a table that nobody else may lock, and that is in nobody's way: anybody can take an advisory lock.
  lock table ops.partition_removals in share update exclusive mode;

  -- Yesterday too: a point that is on its way at midnight belongs to the day that has ended.
  for v_start in
    select d from generate_series(
      date_trunc('day', at) - interval '1 day',
      date_trunc('day', at) + make_interval(days => metrics_days_ahead),
      interval '1 day'
    ) d
  loop
    foreach v_parent in array array['metrics', 'metrics_minute'] loop
      v_name := v_parent || '_p' || to_char(v_start, 'YYYYMMDD');
      if app_private.create_partition(
        ('app_public.' || v_parent)::regclass, v_name, v_start, v_start + interval '1 day'
      ) then
        return next 'app_public.' || v_name;
      end if;
    end loop;
  end loop;

  -- As far as the points reach.
  for v_start in
    select m from generate_series(
      date_trunc('month', at - interval '1 day'),
      date_trunc('month', at + make_interval(days => metrics_days_ahead)),
      interval '1 month'
    ) m
  loop
    v_name := 'metrics_hour_p' || to_char(v_start, 'YYYYMM');
    if app_private.create_partition('app_public.metrics_hour', v_name, v_start, v_start + interval '1 month') then
      return next 'app_public.' || v_name;
    end if;
  end loop;

  for v_start in
    select m from generate_series(
      date_trunc('month', at),
      date_trunc('month', at) + make_interval(months => audit_months_ahead),
      interval '1 month'
    ) m
  loop
    v_name := 'log_p' || to_char(v_start, 'YYYYMM');
    if app_private.create_partition('audit.log', v_name, v_start, v_start + interval '1 month') then
      return next 'audit.' || v_name;
    end if;
  end loop;
end
$$;

comment on function ops.ensure_partitions(integer, integer, timestamptz) is 'Makes the missing partitions of metrics and their rollups (days ahead) and of audit.log (months ahead), and returns their names. LTP06 for a time or a number that is too far.';
grant execute on function ops.ensure_partitions(integer, integer, timestamptz) to :WORKER;

-- The requested percentiles, each once.
create or replace function app_private.metric_percentile_list(percentiles double precision[]) returns double precision[]
language plpgsql immutable parallel safe
set search_path to pg_catalog, pg_temp
as $$
begin
  if percentiles is null or cardinality(percentiles) not between 1 and 100
    or exists (select from unnest(percentiles) p where p is null or not p between 0 and 100)
  then
    raise exception 'percentiles must be 1 to 100 numbers from 0 to 100, not %', coalesce(percentiles::text, 'null')
      using errcode = 'LTM07', hint = 'For example {50,99,99.9}.';
  end if;
  return array(select distinct p from unnest(percentiles) p order by p);
end
$$;

comment on function app_private.metric_percentile_list(double precision[]) is 'The percentiles in order, each once. LTM07 when the list is empty, has more than a hundred, or has one outside 0 to 100.';
grant execute on function app_private.metric_percentile_list(double precision[]) to :MEMBER, :SERVICE, :ADMIN, :ANALYST;

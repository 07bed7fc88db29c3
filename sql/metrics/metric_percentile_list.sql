-- The percentiles that are asked for, each once.
create or replace function app_private.metric_percentile_list(percentiles double precision[]) returns double precision[]
language plpgsql immutable parallel safe
set search_path to pg_catalog, pg_temp
as $$
begin
  if percentiles is null or cardinality(percentiles) not between 1 and 100
    or exists (select from unnest(percentiles) p where p is null or not p between 0 and 100)
  then
    raise exception 'these are no percentiles: %', coalesce(percentiles::text, 'null')
      using errcode = 'LTM07', hint = 'One to a hundred numbers between 0 and 100: {50,99,99.9}.';
  end if;
  return array(select distinct p from unnest(percentiles) p order by p);
end
$$;

comment on function app_private.metric_percentile_list(double precision[]) is 'The percentiles in order, each once. LTM07 when there are none, more than a hundred, or one is out of 0 to 100.';
grant execute on function app_private.metric_percentile_list(double precision[]) to :MEMBER, :SERVICE, :ADMIN, :ANALYST;

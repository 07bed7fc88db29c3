-- A sum of doubles that may be beyond a double, for which it is null: Postgres' own sum raises, and would do so for a whole
-- table. It is given in two parts, neither of which can overflow: the sum of what is within 1e280, and that of the rest by
-- 2^100, to lose nothing. What is summed up of sums that were beyond (infinite here) is beyond, too.
create or replace function app_private.metric_sum(small double precision, large double precision) returns double precision
language sql immutable parallel safe
return case
  when large is null then small
  when pg_catalog.abs(large + case when pg_catalog.abs(small) > 1e200 then small / pg_catalog.power(2, 100) else 0 end)
    < pg_catalog.power(2, 924)
  then
    (large + case when pg_catalog.abs(small) > 1e200 then small / pg_catalog.power(2, 100) else 0 end) * pg_catalog.power(2, 100)
end;

comment on function app_private.metric_sum(double precision, double precision) is 'The sum of doubles within 1e280, and of others by 2^100; null where it is beyond a double.';
grant execute on function app_private.metric_sum(double precision, double precision)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;

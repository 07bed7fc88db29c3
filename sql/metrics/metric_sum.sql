-- A sum of doubles, or null where it exceeds a double: Postgres' own sum raises an error then, and would do so for a whole
-- table. The arguments are two parts, neither of which can overflow: the sum of the values within 1e280, and the sum of the
-- others divided by 2^100, which loses nothing. A sum of sums that exceeded a double (infinite here) exceeds it too.
create or replace function app_private.metric_sum(small double precision, large double precision) returns double precision
language sql immutable parallel safe
return case
  when large is null then small
  when pg_catalog.abs(large + case when pg_catalog.abs(small) > 1e200 then small / pg_catalog.power(2, 100) else 0 end)
    < pg_catalog.power(2, 924)
  then
    (large + case when pg_catalog.abs(small) > 1e200 then small / pg_catalog.power(2, 100) else 0 end) * pg_catalog.power(2, 100)
end;

comment on function app_private.metric_sum(double precision, double precision) is 'The total of a sum of doubles within 1e280 and a sum of others divided by 2^100; null where it exceeds a double.';
grant execute on function app_private.metric_sum(double precision, double precision)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :JOBS;

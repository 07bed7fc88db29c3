-- A sum divided by a number of points or seconds. Where Postgres' own division would raise an overflow, the result is null,
-- like such a sum. Where it would raise an underflow, nearer to zero than any double, the result is zero. A double reaches
-- from 4.9e-324 to 1.8e308.
create or replace function app_private.metric_quotient(dividend double precision, divisor double precision)
returns double precision
language sql immutable parallel safe
return case
  when divisor < 1 and pg_catalog.abs(dividend) > divisor * 1.7976931348623157e308 then null
  when divisor <= 1 then dividend / divisor
  when pg_catalog.abs(dividend) < divisor * '5e-324'::double precision then 0
  else dividend / divisor
end;

comment on function app_private.metric_quotient(double precision, double precision) is 'A sum of values divided by a number of points or seconds; null where it exceeds a double, zero where it is nearer to zero than any double.';
grant execute on function app_private.metric_quotient(double precision, double precision)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;

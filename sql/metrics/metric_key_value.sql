-- The value that stands for a bucket of a sketch: 2 / (1.0202 + 1) = 0.99 of its upper end, which is within one per cent of
-- every value in it. At both ends of the range of a double a rounding error would overflow, hence `least` and `greatest`.
create or replace function app_private.metric_key_value(key integer) returns double precision
language sql immutable parallel safe
return case
  when key = 0 then 0
  else pg_catalog.sign(key) * 0.99 * pg_catalog.exp(
    greatest(-744::double precision, least(709.7827128::double precision, (pg_catalog.abs(key) - 37500) * 0.0200006667066695))
  )
end;

comment on function app_private.metric_key_value(integer) is 'The value that stands for a bucket of a sketch, within one per cent of each value in it.';
grant execute on function app_private.metric_key_value(integer) to :MEMBER, :SERVICE, :ADMIN, :ANALYST;

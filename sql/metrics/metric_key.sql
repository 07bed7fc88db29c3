-- The bucket of the sketch that a value falls into. Bucket k of the positive values reaches from 1.0202^(k - 1 - 37500) to
-- 1.0202^(k - 37500), so its middle is within one per cent of each value in it; 1.0202 is 1.01 / 0.99, and 0.0200006667 its
-- logarithm. Zero has bucket 0. A negative value has the negated bucket of its opposite, so buckets are in the order of their
-- values. 37500 makes the smallest double's bucket positive, so every finite value has a bucket.
create or replace function app_private.metric_key(value double precision) returns integer
language sql immutable parallel safe
return case
  when value = 0 then 0
  else (
    pg_catalog.sign(value) * (pg_catalog.ceil(pg_catalog.ln(pg_catalog.abs(value)) / 0.0200006667066695) + 37500)
  )::integer
end;

comment on function app_private.metric_key(double precision) is 'The bucket of a sketch that a finite value falls into.';
grant execute on function app_private.metric_key(double precision)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :JOBS;

-- The name of a bucket of a rollup in ops.quarantined_items.
create or replace function ops.metric_item(resolution text, bucket timestamptz) returns text
language sql stable
return resolution || pg_catalog.to_char(bucket at time zone 'UTC', ' YYYY-MM-DD HH24:MI"Z"');

comment on function ops.metric_item(text, timestamptz) is 'The name of a bucket of a rollup among quarantined items: `minute 2026-11-29 12:03Z`.';
grant execute on function ops.metric_item(text, timestamptz) to :JOBS, :OPERATOR;

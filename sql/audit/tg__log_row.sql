-- Logs a row of a partitioned table. It is a row trigger because partitions inherit these, whoever makes or attaches them.
-- Definer: nobody may write the log.
create or replace function audit.tg__log_row() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  perform audit.log_row(TG_RELID, TG_OP, OLD, NEW, TG_ARGV[0]::text[], TG_ARGV[1]::text[], TG_ARGV[2]::text[]);
  return null;
end
$$;

comment on function audit.tg__log_row() is 'Trigger: a log row per changed row of a partitioned table.';

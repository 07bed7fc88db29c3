-- Notes the minutes that points arrived in, a row per statement, tenant and minute: what the worker has to roll up, and
-- what readers take from the points until it has. Rows are only added, so that writers never wait for each other or for
-- the worker. Definer: nobody may write the notes.
create or replace function app_private.tg_metrics__mark_changes() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into ops.metric_changes (resolution, tenant_id, bucket)
  select distinct 'minute', n.tenant_id, date_bin('1 minute', n."timestamp", '2001-01-01 00:00:00Z')
  from new_rows n;
  return null;
end
$$;

comment on function app_private.tg_metrics__mark_changes() is 'Trigger: notes in ops.metric_changes the minutes that points arrived in.';

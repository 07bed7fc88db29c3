-- Notes the minutes that points arrived in, a row per statement, tenant and minute. The worker rolls these up; until then
-- readers use their points. Rows are only added, so writers never wait for each other or for the worker. Refuses points from a
-- time that is being removed: they would be rolled up without the points that are gone. Definer: nobody may write the notes.
create or replace function app_private.tg_metrics__mark_changes() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_gone timestamptz;
begin
  with marked as (
    insert into ops.metric_changes (resolution, tenant_id, bucket)
    select distinct 'minute', n.tenant_id, date_bin('1 minute', n."timestamp", '2001-01-01 00:00:00Z')
    from new_rows n
    returning tenant_id, bucket
  )
  select min(m.bucket) into v_gone
  from marked m
  join ops.metric_floors f on (f.tenant_id = m.tenant_id or f.tenant_id is null) and m.bucket < f.kept_from
  where not ops.is_held('metrics.raw', m.tenant_id, m.bucket);
  if v_gone is not null then
    raise exception 'points from % are no longer kept', v_gone
      using errcode = 'LTM09', hint = 'Leave out points that are older than the retention of metrics.raw.';
  end if;
  return null;
end
$$;

comment on function app_private.tg_metrics__mark_changes() is 'Trigger: notes in ops.metric_changes the minutes that points arrived in. LTM09 when points from that time are no longer kept.';

-- Tells who listens that tasks changed: at most one NOTIFY per statement and tenant, ids only. The receiver reads the
-- rows again under its own rights. A payload holds 8,000 bytes at most, so a statement that changes more than 150
-- tasks of a tenant sends `"ids": null`: "many, look for yourself".
create or replace function app_private.tg_tasks__notify() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  perform pg_notify(
    'lightning:tasks',
    json_build_object('tenant', c.tenant_id, 'operation', lower(TG_OP), 'ids', c.ids)::text
  )
  from (
    select t.tenant_id, case when count(*) <= 150 then json_agg(t.id) end as ids
    from changed_rows t
    group by t.tenant_id
  ) c;
  return null;
end
$$;

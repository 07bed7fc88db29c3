-- Brings the rows of a workflow's steps in line with its definition, which is valid: adds new steps, and removes steps that
-- are gone. Returns the keys of new and changed steps.
create or replace function app_private.sync_workflow_steps(workflow app_public.workflows) returns text[]
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_changed text[];
begin
  v_changed := array(
    select i.item ->> 'key'
    from jsonb_array_elements(workflow.steps) i(item)
    where not exists (
      select
      from app_public.workflow_steps s
      where s.tenant_id = workflow.tenant_id
        and s.workflow_id = workflow.id
        and s.key = i.item ->> 'key'
        and s.definition = i.item
    )
  );

  delete from app_public.workflow_steps s
  where s.tenant_id = workflow.tenant_id
    and s.workflow_id = workflow.id
    and not exists (select from jsonb_array_elements(workflow.steps) i(item) where i.item ->> 'key' = s.key);
  insert into app_public.workflow_steps as s (tenant_id, workflow_id, key, position, depends_on, on_failure, definition)
  select
    workflow.tenant_id, workflow.id, i.item ->> 'key', i.position,
    array(
      select jsonb_array_elements_text(i.item -> 'depends_on') where jsonb_typeof(i.item -> 'depends_on') = 'array'
    ),
    coalesce(i.item ->> 'on_failure', 'fail'), i.item
  from jsonb_array_elements(workflow.steps) with ordinality i(item, position)
  on conflict (tenant_id, workflow_id, key) do update
  set
    position = excluded.position, depends_on = excluded.depends_on, on_failure = excluded.on_failure,
    definition = excluded.definition
  where (s.position, s.definition) is distinct from (excluded.position, excluded.definition);
  return v_changed;
end
$$;

comment on function app_private.sync_workflow_steps(app_public.workflows) is 'Brings the rows of a workflow''s steps in line with its definition. Returns the keys of new and changed steps.';

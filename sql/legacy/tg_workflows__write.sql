-- The services carry out their workflows themselves and write the state, so a workflow that ends without having begun begins first.
create or replace function legacy.tg_workflows__write() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_id constant uuid := legacy.id_of(coalesce(NEW.id, OLD.id));
  v_status text;
  v_steps jsonb;
begin
  if TG_OP = 'DELETE' then
    delete from app_public.workflows w where w.id = v_id;
    return OLD;
  end if;
  v_status := legacy.workflow_status(NEW.status);
  if v_status is null then
    perform legacy.refuse('workflows.status', format(
      '%L is not one of draft, active, pending, running, paused, completed, failed, cancelled', NEW.status
    ));
  end if;
  if jsonb_typeof(NEW.steps) not in ('array', 'null') or NEW.steps @? 'strict $[*] ? (@.type() != "object")' then
    perform legacy.refuse('workflows.steps', 'steps are an array of objects');
  end if;
  v_steps := legacy.workflow_steps(NEW.steps);
  -- What the row is shown with, without looking for it by the text of its id.
  NEW.status := coalesce(NEW.status, v_status);
  NEW.steps := coalesce(nullif(NEW.steps, 'null'), '[]');
  NEW.context := coalesce(nullif(NEW.context, 'null'), '{}');
  if TG_OP = 'INSERT' then
    NEW.created_at := coalesce(NEW.created_at, now());
    insert into app_public.workflows (id, name, description, steps, status, created_by, assigned_to, context, created_at)
    values (
      v_id, NEW.name, NEW.description, v_steps, v_status, NEW.created_by, NEW.assigned_to,
      NEW.context, NEW.created_at
    )
    returning updated_at into NEW.updated_at;
  else
    if v_status in ('completed', 'failed', 'paused') and legacy.workflow_status(OLD.status) in ('draft', 'pending') then
      update app_public.workflows w set status = 'running' where w.id = v_id;
    end if;
    update app_public.workflows w
    set
      name = NEW.name, description = NEW.description, steps = v_steps, status = v_status, created_by = NEW.created_by,
      assigned_to = NEW.assigned_to, context = NEW.context
    where w.id = v_id
    returning w.updated_at into NEW.updated_at;
  end if;
  insert into legacy.workflow_fields (workflow_id, id, status, steps, steps_encrypted, context_encrypted)
  values (
    v_id, nullif(NEW.id, v_id::text), nullif(NEW.status, v_status), nullif(NEW.steps, v_steps),
    NEW.steps_encrypted, NEW.context_encrypted
  )
  on conflict on constraint workflow_fields_pkey do update
  set
    status = excluded.status, steps = excluded.steps, steps_encrypted = excluded.steps_encrypted,
    context_encrypted = excluded.context_encrypted;
  return NEW;
end
$$;

comment on function legacy.tg_workflows__write() is 'Trigger: writes a workflow as the legacy system''s models do. LTL01: nothing stands for what was written.';

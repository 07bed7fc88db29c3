--! Previous: sha1:ec567861d0265f048fcc1a3c1bbf23c25ae2b9c1
--! Hash: sha1:d28830071ba3e70d1e13c4d67cf004108be0ab92
--! Message: legacy_rows_as_written

-- The views of the legacy system no longer look for a row that was written: a task or workflow by the text of its id is looked for among
-- all of the tenant's.
--! Included legacy/tg_tasks__write.sql
-- The legacy system takes a task from `pending` to its end in one or two writes and never claims, so a task that ends without having
-- begun begins first. A task that an agent holds by a lease is its own (LTQ06).
create or replace function legacy.tg_tasks__write() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_id constant uuid := legacy.id_of(coalesce(NEW.id, OLD.id));
  v_status text;
begin
  if TG_OP = 'DELETE' then
    delete from app_public.tasks t where t.id = v_id;
    return OLD;
  end if;
  v_status := legacy.task_status(NEW.status);
  if v_status is null then
    perform legacy.refuse('tasks.status', format(
      '%L is not one of pending, assigned, started, in_progress, running, completed, failed, cancelled', NEW.status
    ));
  end if;
  if coalesce(NEW.priority, 'normal') not in ('low', 'normal', 'high', 'critical') then
    perform legacy.refuse('tasks.priority', format('%L is not one of low, normal, high, critical', NEW.priority));
  end if;
  -- What the row is shown with, without looking for it by the text of its id.
  NEW.status := coalesce(NEW.status, v_status);
  NEW.priority := coalesce(NEW.priority, 'normal');
  NEW.context := coalesce(nullif(NEW.context, 'null'), '{}');
  NEW.result := nullif(NEW.result, 'null');
  if TG_OP = 'INSERT' then
    NEW.created_at := coalesce(NEW.created_at, now());
    insert into app_public.tasks (
      id, agent_id, description, status, priority, context, result, error_message, created_at, started_at, completed_at
    )
    values (
      v_id, NEW.agent_id, NEW.description, v_status, NEW.priority, NEW.context, NEW.result, NEW.error_message, NEW.created_at,
      NEW.started_at, NEW.completed_at
    );
  else
    if v_status in ('completed', 'failed') and legacy.task_status(OLD.status) in ('pending', 'assigned') then
      update app_public.tasks t set status = 'running' where t.id = v_id;
    end if;
    update app_public.tasks t
    set
      agent_id = NEW.agent_id, description = NEW.description, status = v_status, priority = NEW.priority, context = NEW.context,
      result = NEW.result, error_message = NEW.error_message, started_at = NEW.started_at, completed_at = NEW.completed_at
    where t.id = v_id;
  end if;
  if NEW.id <> v_id::text or nullif(NEW.status, v_status) is not null
    or exists (select from legacy.task_fields f where f.task_id = v_id)
  then
    insert into legacy.task_fields (task_id, id, status)
    values (v_id, nullif(NEW.id, v_id::text), nullif(NEW.status, v_status))
    on conflict on constraint task_fields_pkey do update set status = excluded.status;
  end if;
  return NEW;
end
$$;

comment on function legacy.tg_tasks__write() is 'Trigger: writes a task as the legacy system''s models do. LTL01: nothing stands for what was written.';
--! EndIncluded legacy/tg_tasks__write.sql
--! Included legacy/tg_workflows__write.sql
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
--! EndIncluded legacy/tg_workflows__write.sql
--! Included legacy/tg_sessions__write.sql
create or replace function legacy.tg_sessions__write() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if TG_OP = 'DELETE' then
    delete from app_public.sessions s where s.id = OLD.id::uuid;
    return OLD;
  end if;
  NEW.data := coalesce(nullif(NEW.data, 'null'), '{}');
  if TG_OP = 'INSERT' then
    if not pg_input_is_valid(NEW.id, 'uuid') then
      perform legacy.refuse('sessions.id', format('%L is not a UUID', NEW.id));
    end if;
    if length(coalesce(NEW.token::text, '')) < 16 then
      perform legacy.refuse('sessions.token', 'a token has 16 characters at least, or it can be guessed');
    end if;
    insert into app_public.sessions (id, user_id, token, data, expires_at)
    values (
      NEW.id::uuid, NEW.user_id, encode(sha256(convert_to(NEW.token::text, 'UTF8')), 'hex'),
      NEW.data, NEW.expires_at at time zone 'UTC'
    )
    returning created_at at time zone 'UTC' into NEW.created_at;
    -- What the row is shown with, without looking for it by the text of its id.
    NEW.token := NEW.id;
  elsif NEW.user_id is distinct from OLD.user_id or NEW.token::text is distinct from OLD.token::text then
    perform legacy.refuse('sessions', 'a session keeps its user and its token');
  else
    update app_public.sessions s
    set data = NEW.data, expires_at = NEW.expires_at at time zone 'UTC'
    where s.id = OLD.id::uuid;
  end if;
  return NEW;
end
$$;

comment on function legacy.tg_sessions__write() is 'Trigger: writes a session as the legacy system''s models do. LTL01: nothing stands for what was written.';
--! EndIncluded legacy/tg_sessions__write.sql

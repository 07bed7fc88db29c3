create or replace function legacy.tg_agents__write() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_status text;
begin
  if TG_OP = 'DELETE' then
    delete from app_public.agents a where a.id = OLD.id;
    return OLD;
  end if;
  v_status := legacy.agent_status(NEW.status);
  if v_status is null then
    perform legacy.refuse('agents.status', format('%L is not one of idle, busy, training, paused, error, offline', NEW.status));
  end if;
  if TG_OP = 'INSERT' then
    insert into app_public.agents (id, name, model, specialization, status, config, created_at)
    values (
      NEW.id, NEW.name, NEW.model, NEW.specialization, v_status, coalesce(nullif(NEW.config, 'null'), '{}'),
      coalesce(NEW.created_at, now())
    );
  elsif (NEW.name, NEW.model, NEW.specialization, NEW.status, NEW.config) is distinct from
    (OLD.name, OLD.model, OLD.specialization, OLD.status, OLD.config)
  then
    update app_public.agents a
    set
      name = NEW.name, model = NEW.model, specialization = NEW.specialization, status = v_status,
      config = coalesce(nullif(NEW.config, 'null'), '{}')
    where a.id = OLD.id;
  end if;
  if TG_OP = 'INSERT' or (NEW.status, NEW.capabilities, NEW.config_encrypted, NEW.capabilities_encrypted) is distinct from
    (OLD.status, OLD.capabilities, OLD.config_encrypted, OLD.capabilities_encrypted)
  then
    insert into legacy.agent_fields (agent_id, status, capabilities, config_encrypted, capabilities_encrypted)
    values (
      NEW.id, nullif(NEW.status, v_status), nullif(nullif(NEW.capabilities, 'null'), '[]'), NEW.config_encrypted,
      NEW.capabilities_encrypted
    )
    on conflict on constraint agent_fields_pkey do update
    set
      status = excluded.status, capabilities = excluded.capabilities, config_encrypted = excluded.config_encrypted,
      capabilities_encrypted = excluded.capabilities_encrypted;
  end if;
  select v.* into NEW from legacy.agents v where v.id = NEW.id;
  return NEW;
end
$$;

comment on function legacy.tg_agents__write() is 'Trigger: writes an agent as the legacy system''s models do. LTL01: nothing stands for what was written.';

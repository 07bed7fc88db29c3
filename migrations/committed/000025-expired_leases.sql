--! Previous: sha1:1ea30745f9e5dc320069ced766d74be962a2c305
--! Hash: sha1:8f49ad422afd1e49cd14382f110cdee8a2ddf468
--! Message: expired_leases

-- Idle agents look for expired leases as often as they ask for a task; without an index they read all that are held. That
-- a heartbeat now writes an index, too, costs it a tenth. Claims and heartbeats wait while this is built: milliseconds, as
-- there are no more leases than tasks under way.
create index if not exists task_leases_expires_at_idx on app_public.task_leases (expires_at);

--! Included app_private/functions/reap_for_claim.sql
-- What a claim does that finds too little: takes back leases of its tenant that expired, and says how many. Idle agents ask
-- again and again, so of those that do at the same time one looks; where an old snapshot keeps the dead entries of many
-- heartbeats, that takes long. No definer and no `set`, so that it is inlined.
create or replace function app_private.reap_for_claim(tenant_id text, how_many integer) returns integer
language sql volatile
return case
  when pg_try_advisory_xact_lock(hashtextextended('app_private.reap_for_claim ' || tenant_id, 0))
    then ops.reap_expired_leases(how_many)
  else 0
end;
--! EndIncluded app_private/functions/reap_for_claim.sql
--! Included app_public/functions/claim_task.sql
-- What claim_tasks does, for a single task: most claimers ask for one, and plain statements take two thirds of the time
-- of the one that claims many. Definer, and no sorting, for the reasons given there.
create or replace function app_public.claim_task(
  agent text,
  capabilities text[] default '{}',
  filter jsonb default '{}',
  lease interval default '60 seconds'
) returns setof app_public.claimed_task
language plpgsql volatile security definer rows 1
set search_path to pg_catalog, pg_temp
set enable_sort to off
set plan_cache_mode to force_generic_plan
as $$
declare
  v_problem text[] := app_private.claim_problem(agent, capabilities, filter, lease, 1);
  v_tenant text := app_private.current_tenant_id();
  v_now timestamptz;
  v_claimed app_public.claimed_task;
begin
  if v_problem is not null then
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
  end if;

  for v_try in 1..2 loop
    v_now := clock_timestamp();
    update app_public.tasks t
    set status = 'running', attempt = t.attempt + 1, started_at = v_now
    where t.tenant_id = v_tenant
      and t.id = (
        select q.id
        from app_public.tasks q
        where q.tenant_id = v_tenant and app_private.is_claimable(q, claim_task.agent, capabilities, filter, v_now)
        order by q.queue_at
        limit 1
        for no key update skip locked
      )
    returning
      t.id, nextval('app_private.fencing_tokens'), t.attempt, t.max_attempts, v_now + lease, t.agent_id, t.priority,
      t.description, t.context, t.required_capabilities, t.created_at
    into v_claimed;
    exit when found;
    -- Nothing waits: the tasks of holders that died need not wait for the worker.
    if v_try = 2 or app_private.reap_for_claim(v_tenant, 1) = 0 then
      return;
    end if;
  end loop;

  insert into app_public.task_leases (
    tenant_id, task_id, fencing_token, attempt, agent, lease, claimed_at, heartbeat_at, expires_at
  )
  values (
    v_tenant, v_claimed.task_id, v_claimed.fencing_token, v_claimed.attempt, agent, lease, v_now, v_now,
    v_claimed.expires_at
  );
  return next v_claimed;
end
$$;

comment on function app_public.claim_task(text, text[], jsonb, interval) is 'Claims one task: claim_tasks with `how_many` 1. No row when nothing waits. Errors: LTQ05 invalid argument.';
--! EndIncluded app_public/functions/claim_task.sql
--! Included app_public/functions/claim_tasks.sql
-- Definer: nobody may write leases but through these functions, or a fencing token would prove nothing. It runs under
-- the owner's policies, which are confined to the caller's tenant.
--
-- The order of the queue is that of an index. Without sorting the planner can use no other, however wrong its statistics
-- are, and one plan is good for every caller.
create or replace function app_public.claim_tasks(
  agent text,
  capabilities text[] default '{}',
  filter jsonb default '{}',
  lease interval default '60 seconds',
  how_many integer default 1
) returns setof app_public.claimed_task
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set enable_sort to off
set plan_cache_mode to force_generic_plan
as $$
declare
  v_problem text[] := app_private.claim_problem(agent, capabilities, filter, lease, how_many);
  v_tenant text := app_private.current_tenant_id();
  v_now timestamptz;
  v_ids uuid[];
begin
  if v_problem is not null then
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
  end if;

  for v_try in 1..2 loop
    v_now := clock_timestamp();
    -- Tasks that another claimer is about to take are passed over.
    v_ids := array(
      select q.id
      from app_public.tasks q
      where q.tenant_id = v_tenant and app_private.is_claimable(q, claim_tasks.agent, capabilities, filter, v_now)
      order by q.queue_at
      limit how_many
      for no key update skip locked
    );
    -- Too few are waiting: those of holders that died need not wait for the worker.
    exit when v_try = 2 or cardinality(v_ids) = how_many or app_private.reap_for_claim(v_tenant, how_many) = 0;
  end loop;
  if v_ids = '{}' then
    return;
  end if;

  return query
  with claimed as (
    update app_public.tasks t
    set status = 'running', attempt = t.attempt + 1, started_at = v_now
    where t.tenant_id = v_tenant and t.id = any (v_ids)
    returning t.*
  ),
  leased as (
    insert into app_public.task_leases (
      tenant_id, task_id, fencing_token, attempt, agent, lease, claimed_at, heartbeat_at, expires_at
    )
    select
      c.tenant_id, c.id, nextval('app_private.fencing_tokens'), c.attempt, claim_tasks.agent, claim_tasks.lease, v_now,
      v_now, v_now + claim_tasks.lease
    from claimed c
    returning task_id, fencing_token, expires_at
  )
  select
    c.id, l.fencing_token, c.attempt, c.max_attempts, l.expires_at, c.agent_id, c.priority, c.description, c.context,
    c.required_capabilities, c.created_at
  from claimed c
  join leased l on l.task_id = c.id
  order by c.queue_at;
end
$$;

comment on function app_public.claim_tasks(text, text[], jsonb, interval, integer) is 'Claims up to `how_many` (1 to 1000) waiting tasks for `agent`, by priority and age: low ones are served at the latest three hours after critical ones of the same age. Only tasks for this agent or for any, whose required capabilities are all in `capabilities`, and whose context contains `filter`. The claim ends after `lease` (1 second to 1 day) unless heartbeat_task extends it. Returns the tasks with the attempt''s number and the fencing token that every write needs; none when nothing waits. Errors: LTQ05 invalid argument.';
--! EndIncluded app_public/functions/claim_tasks.sql
--! Included app_public/functions/heartbeat_task.sql
-- Definer, as claim_tasks. One update of a narrow row: neither the task nor the audit log hears of it.
create or replace function app_public.heartbeat_task(
  task_id uuid,
  fencing_token bigint,
  progress double precision default null,
  note text default null,
  lease interval default null
) returns app_public.task_leases
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_problem text[];
  v_now timestamptz := clock_timestamp();
  v_lease app_public.task_leases;
begin
  v_problem := case
    when progress not between 0 and 1 then array['progress', format('%s is not between 0 and 1', progress)]
    when lease not between interval '1 second' and interval '1 day'
      then array['lease', format('%s is not between 1 second and 1 day', lease)]
  end;
  if v_problem is not null then
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
  end if;

  update app_public.task_leases l
  set
    heartbeat_at = v_now,
    lease = coalesce(heartbeat_task.lease, l.lease),
    expires_at = v_now + coalesce(heartbeat_task.lease, l.lease),
    progress = coalesce(heartbeat_task.progress, l.progress),
    note = coalesce(heartbeat_task.note, l.note)
  where l.tenant_id = app_private.current_tenant_id()
    and l.task_id = heartbeat_task.task_id
    and l.fencing_token = heartbeat_task.fencing_token
  returning * into v_lease;
  if not found then
    perform app_private.refuse_ended_lease(task_id, fencing_token);
  end if;
  return v_lease;
end
$$;

comment on function app_public.heartbeat_task(uuid, bigint, double precision, text, interval) is 'Extends the lease of a claimed task, by `lease` or as long as it was claimed for, and records `progress` (0 to 1) and a `note`; null leaves what was there. Returns the lease. Errors: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 invalid argument.';
--! EndIncluded app_public/functions/heartbeat_task.sql
--! Included app_private/comments.sql
comment on schema app_private is 'Helpers that decide who may see what. Granted to nobody who can ask anything.';

comment on table app_private.tenant_logins is 'Which tenant a login of its own (an analyst''s) sees.';
comment on column app_private.tenant_logins.login is 'The login''s name, as session_user says it.';
comment on column app_private.tenant_logins.tenant_id is 'The one tenant that it sees.';
comment on column app_private.tenant_logins.created_at is 'When it was bound.';

comment on table app_private.events is 'The outbox of live updates: which rows changed, a row per statement and tenant. Kept for about an hour.';
comment on column app_private.events.transaction_id is 'The transaction that made the change.';
comment on column app_private.events.id is 'The order within a transaction; across transactions it says nothing.';
comment on column app_private.events.tenant_id is 'Whose rows changed.';
comment on column app_private.events.topic is 'The table: tasks, workflows, agents.';
comment on column app_private.events.operation is 'One of insert, update, delete.';
comment on column app_private.events.keys is 'The ids of the rows; null when more than 1,000 changed at once.';
comment on column app_private.events.at is 'When the transaction began.';

comment on table app_private.event_marks is 'Snapshots by time, for trimming the outbox.';
comment on column app_private.event_marks.at is 'When the snapshot was taken.';
comment on column app_private.event_marks.snapshot is 'What was visible then.';
comment on column app_private.event_marks.trimmed is 'The one mark that the outbox was trimmed to.';

comment on function app_private.current_tenant_id() is 'The tenant of whoever asks: from the setting app.tenant_id for the API''s login, from app_private.tenant_logins for any other, null for nobody''s.';
comment on function app_private.login_tenant_id() is 'The tenant that the session''s login is bound to; null when it is bound to none or its tenant is suspended.';
comment on function app_private.create_partition(regclass, name, timestamptz, timestamptz) is 'Makes the partition [range_start, range_end) of a table, with row-level security and audit; false when it is there already.';
comment on function app_private.tg__touch_updated_at() is 'Trigger: sets updated_at.';
comment on function app_private.tg__refuse_key_change() is 'Trigger: refuses to change a key, with LTK01.';
comment on sequence app_private.fencing_tokens is 'Tokens of leases: later claims have larger ones.';
comment on function app_private.claim_problem(text, text[], jsonb, interval, integer) is 'What is wrong with the arguments of a claim; null when nothing is.';
comment on function app_private.is_claimable(app_public.tasks, text, text[], jsonb, timestamptz) is 'Whether an agent may have the task now.';
comment on function app_private.reap_for_claim(text, integer) is 'Takes back expired leases of the tenant unless another claim is at it; how many.';
comment on function app_private.refuse_ended_lease(uuid, bigint) is 'Raises why a fencing token is good for nothing: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 an argument is missing.';
comment on function app_private.tg_tasks__place_in_queue() is 'Trigger: sets queue_at from run_after and priority.';
comment on function app_private.tg_tasks__check_update() is 'Trigger: refuses an illegal change of state, with LTQ04, and a change of a claimed task but for its agent, with LTQ06.';
comment on function app_private.tg__publish() is 'Trigger: writes the keys of what changed into app_private.events, and wakes up who listens on lightning:<table>, without payload.';
comment on function app_private.tg_tenants__notify() is 'Trigger: NOTIFY lightning:tenants without payload when a tenant was suspended or resumed.';
comment on function app_private.tg_knowledge__clear_embedding() is 'Takes away the embedding of content that changed without a new one.';
comment on function app_private.refuse_embedding(public.vector) is 'Raises LTS01 for an embedding of another dimension, LTS02 for one of zeros.';
comment on function app_private.nearest_knowledge(text, public.vector, text, text, jsonb, text, integer) is 'The knowledge of a tenant that is nearest to an embedding, with its cosine distance, nearest first. For the search functions.';
comment on function app_private.knowledge_by_text(text, text, text, text, jsonb, integer) is 'The knowledge of a tenant that holds the words of a text, the most relevant first; of more than 2,000 items the newest 2,000. For search_knowledge.';
comment on function app_private.workflow_steps_problems(jsonb) is 'What is wrong with the steps of a workflow, by path; no rows: they can run.';
comment on function app_private.workflow_step_problems(text, jsonb) is 'What is wrong with one step by itself.';
comment on function app_private.workflow_condition_problems(text, jsonb, text[], integer) is 'What is wrong with a condition that may ask about the steps `known`.';
comment on function app_private.sync_workflow_steps(app_public.workflows) is 'Brings the rows of a workflow''s steps in line with what is written in it; gives the keys of new and changed ones.';
comment on function app_private.lock_callers_workflow(uuid) is 'The workflow, locked with its tasks. LTW01 no such workflow, LTW05 the id is missing.';
comment on function app_private.tg_tasks__advance_workflows() is 'Trigger: goes on with the workflows of tasks that ended; refuses to try a step''s task again by itself, with LTW08.';
comment on function app_private.tg_tasks__check_delete() is 'Trigger: refuses to delete the task of a running step, with LTW09.';
comment on function app_private.tg_workflows__check_steps() is 'Trigger: refuses steps that could not run, with LTW02.';
comment on function app_private.tg_workflows__check_update() is 'Trigger: refuses an illegal change of state with LTW04, other steps for a running workflow with LTW03, and a direct write of what the steps keep with LTW06.';
comment on function app_private.tg_workflows__check_delete() is 'Trigger: refuses to delete a workflow that runs, with LTW07.';
--! EndIncluded app_private/comments.sql

-- Whether an agent may have a task now: what every claim asks of the tasks of its tenant.
--
-- No definer, no `set`, and a body that is parsed now: so the planner inlines it, sees what the queue's index is for, and
-- compares the columns themselves.
create or replace function app_private.is_claimable(
  task app_public.tasks,
  agent text,
  capabilities text[],
  filter jsonb,
  at timestamptz
) returns boolean
language sql immutable parallel safe
return task.status = 'pending'
  and task.run_after <= at
  and (task.agent_id is null or task.agent_id = agent)
  and task.required_capabilities <@ capabilities
  and task.context @> filter;

comment on function app_private.is_claimable(app_public.tasks, text, text[], jsonb, timestamptz) is 'Whether an agent may have the task now.';

-- Whether an agent may claim a task now: the condition of every claim.
--
-- No definer, no `set`, and a body that is parsed now, so that the planner inlines it, can use the queue's index for it and
-- compares the columns directly.
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

comment on function app_private.is_claimable(app_public.tasks, text, text[], jsonb, timestamptz) is 'Whether an agent may claim the task now.';

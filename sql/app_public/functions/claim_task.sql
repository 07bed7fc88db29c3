-- plpgsql, although it is one statement: the body of an SQL function is planned anew at each call.
create or replace function app_public.claim_task(
  agent text,
  capabilities text[] default '{}',
  filter jsonb default '{}',
  lease interval default '60 seconds'
) returns setof app_public.claimed_task
language plpgsql volatile rows 1
set search_path to pg_catalog, pg_temp
as $$
begin
  return query select * from app_public.claim_tasks(agent, capabilities, filter, lease, 1);
end
$$;

comment on function app_public.claim_task(text, text[], jsonb, interval) is 'Claims one task: claim_tasks with `how_many` 1. No row when nothing waits. Errors: LTQ05 invalid argument.';

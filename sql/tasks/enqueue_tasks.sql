-- Invoker, as enqueue_task. A single insert, so triggers and listeners see one statement.
create or replace function app_public.enqueue_tasks(tasks jsonb) returns setof app_public.tasks
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_known constant text[] := array[
    'description', 'context', 'priority', 'agent_id', 'run_after', 'max_attempts', 'required_capabilities', 'idempotency_key'
  ];
  v_problem record;
  v_ids uuid[];
  v_keys text[];
begin
  if tasks is null or jsonb_typeof(tasks) <> 'array' then
    raise exception 'invalid %: %', 'tasks', 'must be an array of objects'
      using errcode = 'LTQ05';
  end if;

  select * into v_problem
  from (
    select
      i.position,
      case
        when jsonb_typeof(i.item) <> 'object' then array['', 'must be an object']
        when i.item - v_known <> '{}'
          then array['.' || (select min(k) from jsonb_object_keys(i.item - v_known) k), 'unknown property']
        when jsonb_typeof(i.item -> 'description') is distinct from 'string' or i.item ->> 'description' = ''
          then array['.description', 'must be a non-empty string']
        when i.item ->> 'priority' not in ('low', 'normal', 'high', 'critical')
          then array['.priority', format('%s is not one of low, normal, high, critical', i.item ->> 'priority')]
        when i.item ->> 'max_attempts' is not null
          and not (i.item -> 'max_attempts') @? '$ ? (@ >= 1 && @ <= 2147483647 && @ == @.floor())'
          then array['.max_attempts', format('%s is not a whole number of at least 1', i.item ->> 'max_attempts')]
        when i.item ->> 'required_capabilities' is not null
          and (
            jsonb_typeof(i.item -> 'required_capabilities') <> 'array'
            or (i.item -> 'required_capabilities') @? '$[*] ? (@.type() != "string")'
          )
          then array['.required_capabilities', 'must be an array of strings']
        when jsonb_typeof(i.item -> 'idempotency_key') not in ('string', 'null')
          or length(i.item ->> 'idempotency_key') not between 1 and 200
          then array['.idempotency_key', 'must be a string of 1 to 200 characters']
        when jsonb_typeof(i.item -> 'run_after') <> 'null' and not pg_input_is_valid(i.item ->> 'run_after', 'timestamptz')
          then array['.run_after', format('%s is not a timestamp', i.item ->> 'run_after')]
        when i.item ->> 'agent_id' is not null
          and not exists (select from app_public.agents a where a.id = i.item ->> 'agent_id')
          then array['.agent_id', format('agent %s does not exist', i.item ->> 'agent_id')]
      end as found
    from jsonb_array_elements(tasks) with ordinality i(item, position)
  ) p
  where p.found is not null
  order by p.position
  limit 1;
  if v_problem.found is not null then
    raise exception 'invalid %: %', format('tasks[%s]%s', v_problem.position - 1, v_problem.found[1]), v_problem.found[2]
      using errcode = 'LTQ05';
  end if;

  select array_agg(gen_random_uuid() order by i.position), array_agg(i.item ->> 'idempotency_key' order by i.position)
  into v_ids, v_keys
  from jsonb_array_elements(tasks) with ordinality i(item, position);

  insert into app_public.tasks (
    id, description, context, priority, agent_id, run_after, max_attempts, required_capabilities, idempotency_key
  )
  select
    v_ids[i.position], i.item ->> 'description', coalesce(nullif(i.item -> 'context', 'null'), '{}'),
    coalesce(i.item ->> 'priority', 'normal'), i.item ->> 'agent_id',
    -- A microsecond apart, so that they are claimed in their order.
    coalesce((i.item ->> 'run_after')::timestamptz, now() + i.position * interval '1 microsecond'),
    coalesce((i.item ->> 'max_attempts')::numeric::integer, 5),
    array(select jsonb_array_elements_text(nullif(i.item -> 'required_capabilities', 'null'))), i.item ->> 'idempotency_key'
  from jsonb_array_elements(tasks) with ordinality i(item, position)
  order by i.position
  on conflict (tenant_id, idempotency_key) where idempotency_key is not null do nothing;

  -- A separate statement: it sees tasks that others enqueued under the same keys at the same time.
  return query
  select t.*
  from unnest(v_ids, v_keys) with ordinality i(id, idempotency_key, position)
  cross join lateral (
    select t.* from app_public.tasks t where t.id = i.id
    union all
    select t.* from app_public.tasks t where t.idempotency_key = i.idempotency_key and t.id <> i.id
  ) t
  order by i.position;
end
$$;

comment on function app_public.enqueue_tasks(jsonb) is 'Adds many tasks to the queue, all or none. `tasks` is a JSON array of objects whose properties are the parameters of enqueue_task; only description is required. Returns one task for each object, in the same order; where a task with the idempotency_key exists, that task as it is. Errors: LTQ05 invalid argument; the message names the place, such as tasks[3].priority.';
-- Everybody who writes may add, cancel and retry tasks.
grant execute on function app_public.enqueue_tasks(jsonb) to :MEMBER, :SERVICE, :ADMIN;

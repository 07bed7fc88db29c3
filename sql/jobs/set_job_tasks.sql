-- Replaces the list of tasks: {task, does, schedule, every, expected}, the last two as intervals; schedule and every are
-- null for a task that is not scheduled. Each worker calls it when it starts. Definer: nobody writes the table by hand.
create or replace function ops.set_job_tasks(tasks jsonb) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into ops.job_tasks as t (task, does, schedule, every, expected)
  select n.task, n.does, n.schedule, n.every, n.expected
  from jsonb_to_recordset(tasks) n(task text, does text, schedule text, every interval, expected interval)
  order by n.task
  on conflict on constraint job_tasks_pkey do update
  set does = excluded.does, schedule = excluded.schedule, every = excluded.every, expected = excluded.expected
  where (t.does, t.schedule, t.every, t.expected)
    is distinct from (excluded.does, excluded.schedule, excluded.every, excluded.expected);
  delete from ops.job_tasks t
  where not exists (select from jsonb_array_elements(tasks) n where n ->> 'task' = t.task);
end
$$;

comment on function ops.set_job_tasks(jsonb) is 'Replaces the list of tasks: {task, does, schedule, every, expected}.';
grant execute on function ops.set_job_tasks(jsonb) to :WORKER;

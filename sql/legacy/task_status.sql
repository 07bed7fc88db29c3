-- The state that stands for a task's state in the words of the legacy system; null: none does.
create or replace function legacy.task_status(status text) returns text
language sql immutable parallel safe
set search_path to pg_catalog, pg_temp
return case
  when status is null then 'pending'
  when status in ('started', 'in_progress') then 'running'
  when status in ('pending', 'assigned', 'running', 'completed', 'failed', 'cancelled', 'dead') then status
end;

comment on function legacy.task_status(text) is 'The state that stands for a task''s state in the words of the legacy system; null: none does.';
grant execute on function legacy.task_status(text) to :SERVICE;

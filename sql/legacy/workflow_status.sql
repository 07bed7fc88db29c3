-- The state that stands for a workflow's state in the words of the legacy system; null: none does.
create or replace function legacy.workflow_status(status text) returns text
language sql immutable parallel safe
set search_path to pg_catalog, pg_temp
return case
  when status is null then 'draft'
  when status = 'active' then 'running'
  when status in ('draft', 'pending', 'running', 'paused', 'completed', 'failed', 'cancelled') then status
end;

comment on function legacy.workflow_status(text) is 'The state that stands for a workflow''s state in the words of the legacy system; null: none does.';
grant execute on function legacy.workflow_status(text) to :SERVICE;

-- The state that stands for an agent's state in the words of the legacy system; null: none does.
create or replace function legacy.agent_status(status text) returns text
language sql immutable parallel safe
set search_path to pg_catalog, pg_temp
return case
  when status is null then 'idle'
  when status = 'training' then 'busy'
  when status in ('idle', 'busy', 'paused', 'offline', 'error') then status
end;

comment on function legacy.agent_status(text) is 'The state that stands for an agent''s state in the words of the legacy system; null: none does.';
grant execute on function legacy.agent_status(text) to :SERVICE;

-- A thread goes as a whole: its rows are its messages and itself.
create or replace function ops.expired_threads(tenant_id text, older_than timestamptz) returns table (id uuid, last_message_at timestamptz, rows integer)
language sql stable
begin atomic
  select t.id, t.last_message_at, t.version + 1
  from app_public.threads t
  where t.tenant_id = expired_threads.tenant_id and t.last_message_at < expired_threads.older_than
    and not ops.is_held('threads', t.tenant_id, t.last_message_at);
end;

comment on function ops.expired_threads(text, timestamptz) is 'Threads of a tenant that the policy threads does not keep, and how many rows each has with its messages.';
grant execute on function ops.expired_threads(text, timestamptz) to :JOBS;

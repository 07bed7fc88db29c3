-- The items that a task leaves out for now. One query without `set`, so that the planner inlines it.
create or replace function ops.quarantined(task text) returns table (tenant_id text, item text)
language sql stable
begin atomic
  select q.tenant_id, q.item
  from ops.quarantined_items q
  where q.task = quarantined.task and q.retry_at > now();
end;

comment on function ops.quarantined(text) is 'The items that a task leaves out until it is time to try them again.';
grant execute on function ops.quarantined(text) to :JOBS;

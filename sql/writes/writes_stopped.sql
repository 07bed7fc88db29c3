-- Whether writes are stopped, for a function that can do without a write: it reads what it was asked for, and leaves the note.
-- Definer: a caller sees no row of ops.stopped_writes.
create or replace function app_private.writes_stopped() returns boolean
language sql stable security definer
set search_path to pg_catalog, pg_temp
begin atomic
  select exists (select from ops.stopped_writes);
end;

comment on function app_private.writes_stopped() is 'Whether writes are stopped.';

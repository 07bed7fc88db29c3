-- Refuses a statement that writes, while writes are stopped. app_private.stop_writes_to puts it on every table of data, where it always
-- fires: also under session_replication_role. Definer: the writer sees no row of ops.stopped_writes.
create or replace function app_private.tg__refuse_write() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_stop ops.stopped_writes;
begin
  select s.* into v_stop from ops.stopped_writes s;
  raise exception 'writes are stopped since %: %',
    -- A transaction whose snapshot is older than the stop does not see it.
    coalesce(to_char(v_stop.begun_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'a moment ago'),
    coalesce(v_stop.reason, 'the reason is in ops.stopped_writes')
    using errcode = 'LTO01', hint = 'Nothing was written, and reads go on. Send it again later: an operator lets writes in again.';
end
$$;

comment on function app_private.tg__refuse_write() is 'Trigger: refuses a write while writes are stopped (LTO01).';

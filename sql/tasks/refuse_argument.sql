-- Refuses an argument of a function of tasks (LTQ05), workflows (LTW05), conversations (LTC03), the audit log (LTA08) or operations (LTO02). Functions that run
-- as their caller raise the same by themselves (enqueue_task, enqueue_tasks, workflow_progress): requests have no usage of app_private. refuse_ended_lease
-- does, too, to add a hint.
create or replace function app_private.refuse_argument(code text, argument text, reason text) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  raise exception 'invalid %: %', argument, reason
    using errcode = code;
end
$$;

comment on function app_private.refuse_argument(text, text, text) is 'Raises that an argument cannot be used, and why: LTQ05 in functions of tasks, LTW05 in those of workflows, LTC03 in that of conversations, LTA08 in those that read the audit log, LTO02 in those of operations.';

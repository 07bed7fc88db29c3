alter table app_private.event_marks enable row level security, force row level security;

revoke all on app_private.event_marks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- No grant to anybody: ops.trim_events keeps it.

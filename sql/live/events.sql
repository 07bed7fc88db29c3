alter table app_private.events enable row level security, force row level security;

revoke all on app_private.events from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- No grant to anybody: tg__publish writes it, ops.read_events reads it to the API, ops.trim_events trims it.

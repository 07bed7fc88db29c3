-- Sessions as the legacy system's models have them. The token is stored as its digest, and nobody reads it: the column shows the session's
-- id, and `token = '...'` asks whether that token opens the session. Times have no zone and are UTC, because the services compare
-- them with their own clock so. A program writes it through tg_sessions__write.
create or replace view legacy.sessions with (security_barrier, security_invoker) as
select
  s.id::text::varchar as id, s.user_id, s.id::text::legacy.token as token, s.data,
  s.expires_at at time zone 'UTC' as expires_at, s.created_at at time zone 'UTC' as created_at
from app_public.sessions s;

comment on view legacy.sessions is 'Sessions as the legacy system''s models have them.';
comment on column legacy.sessions.id is 'The session''s id.';
comment on column legacy.sessions.user_id is 'The user whose session it is.';
comment on column legacy.sessions.token is 'To write: the token. To compare: equal to the token. To read: the session''s id.';
comment on column legacy.sessions.data is 'What the service keeps in it.';
comment on column legacy.sessions.expires_at is 'When it ends: UTC, without a zone.';
comment on column legacy.sessions.created_at is 'When it was opened: UTC, without a zone.';

alter view legacy.sessions alter column id set default gen_random_uuid()::text;

revoke all on legacy.sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.sessions to :SERVICE;
grant insert (id, user_id, token, data, expires_at, created_at) on legacy.sessions to :SERVICE;
grant update (user_id, token, data, expires_at) on legacy.sessions to :SERVICE;

create or replace trigger _500_write
  instead of insert or update or delete on legacy.sessions
  for each row
  execute function legacy.tg_sessions__write();

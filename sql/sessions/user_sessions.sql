-- The visible part of sessions, without tokens and data. It runs with the owner's rights, so nobody needs rights on the table.
-- The owner's policy lets session look-ups see all tenants, so the view itself confines rows to the caller's tenant, and a
-- barrier keeps a caller's functions from seeing other rows.
create or replace view app_public.user_sessions with (security_barrier) as
select s.tenant_id, s.id, s.user_id, s.expires_at, s.created_at, s.role
from app_public.sessions s
where s.tenant_id = (select app_private.current_tenant_id());

comment on view app_public.user_sessions is E'@primaryKey id|@fieldName userSession\nThe sessions of the tenant''s users, without tokens and data.';
comment on column app_public.user_sessions.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.user_sessions.id is 'The session''s id.';
comment on column app_public.user_sessions.user_id is 'The user whose session it is.';
comment on column app_public.user_sessions.expires_at is 'When it ends.';
comment on column app_public.user_sessions.created_at is 'When it was opened.';
comment on column app_public.user_sessions.role is 'The role of requests with its token.';

revoke all on app_public.user_sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.user_sessions to :SERVICE, :ADMIN, :ANALYST;

-- Ends a session of the caller. Definer, as own_sessions.
create or replace function app_public.revoke_own_session(session_id uuid) returns boolean
language sql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
  with revoked as (
    delete from app_public.sessions s
    where s.id = revoke_own_session.session_id
      and s.tenant_id = app_private.current_tenant_id()
      and s.user_id = app_private.caller_subject()
    returning 1
  )
  select count(*) > 0 from revoked
$$;

comment on function app_public.revoke_own_session(uuid) is
  E'Ends one of the caller''s own sessions, to log out here or elsewhere; false when there is none.';
grant execute on function app_public.revoke_own_session(uuid) to :MEMBER, :SERVICE, :ADMIN;

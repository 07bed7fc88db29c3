-- Ends all sessions of a user of the tenant: on a changed password, a lost device, a leaver.
create or replace function app_public.revoke_user_sessions(user_id text) returns integer
language sql volatile
begin atomic
  with revoked as (
    delete from app_public.sessions s where s.user_id = revoke_user_sessions.user_id returning 1
  )
  select count(*)::integer from revoked;
end;

comment on function app_public.revoke_user_sessions(text) is
  E'Ends all sessions of a user; returns how many there were. Their tokens open nothing from then on, at the API within a second.';
grant execute on function app_public.revoke_user_sessions(text) to :SERVICE, :ADMIN;

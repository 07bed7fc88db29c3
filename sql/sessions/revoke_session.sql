-- Ends a session of the tenant. Row-level security confines what it finds.
create or replace function app_public.revoke_session(session_id uuid) returns boolean
language sql volatile
begin atomic
  with revoked as (
    delete from app_public.sessions s where s.id = revoke_session.session_id returning 1
  )
  select count(*) > 0 from revoked;
end;

comment on function app_public.revoke_session(uuid) is
  E'Ends a session; false when there is none. Its token opens nothing from then on, at the API within a second.';
grant execute on function app_public.revoke_session(uuid) to :SERVICE, :ADMIN;

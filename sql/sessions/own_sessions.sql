-- The sessions of the caller. Definer: members have no rights on sessions. The subject comes from the verified token.
create or replace function app_public.own_sessions()
returns table (session_id uuid, role text, created_at timestamptz, expires_at timestamptz, is_current boolean)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select
    s.id, s.role, s.created_at, s.expires_at,
    coalesce(
      s.id::text = nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'session_id', false
    )
  from app_public.sessions s
  where s.tenant_id = app_private.current_tenant_id()
    and s.user_id = app_private.caller_subject()
    and s.expires_at > now()
  order by s.created_at, s.id
$$;

comment on function app_public.own_sessions() is
  E'The live sessions of the caller (the subject of the token), without tokens and data; `is_current` marks the one that this request uses.';
grant execute on function app_public.own_sessions() to :MEMBER, :SERVICE, :ADMIN;

-- The session that a token opens, for services that manage their users themselves. Definer: nobody may look up a token.
-- Sessions of other tenants give no row.
create or replace function app_public.validate_session(token text)
returns table (session_id uuid, user_id text, role text, data jsonb, expires_at timestamptz)
language sql volatile security definer
set search_path to pg_catalog, pg_temp
rows 1
as $$
  select s.id, s.user_id, s.role, s.data, s.expires_at
  from app_private.use_session(validate_session.token) s
  where s.tenant_id = app_private.current_tenant_id()
$$;

comment on function app_public.validate_session(text) is
  E'The session that a token opens: one row, or none when this tenant has no such session, or it is over. Prolongs a sliding session.';
grant execute on function app_public.validate_session(text) to :SERVICE, :ADMIN;

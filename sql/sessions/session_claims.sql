-- The user and role that a session's token stands for. The API asks as an anonymous request, because it knows nothing about
-- the request yet. So it is a definer; everything that it reveals goes to a caller who has the token.
create or replace function ops.session_claims(token text)
returns table (tenant_id text, session_id uuid, user_id text, role text, expires_at timestamptz)
language sql volatile security definer
set search_path to pg_catalog, pg_temp
rows 1
as $$
  select s.tenant_id, s.id, s.user_id, s.role, s.expires_at
  from app_private.use_session(session_claims.token) s
$$;

comment on function ops.session_claims(text) is 'The user and role that a session''s token stands for, in any tenant: one row, or none when it opens no session. Prolongs a sliding session.';
grant execute on function ops.session_claims(text) to :ANON;

-- Whom a session's token stands for. The API asks before it knows anything about the request, as an anonymous one: definer,
-- and all that it gives away goes to whoever has the token.
create or replace function ops.session_claims(token text)
returns table (tenant_id text, session_id uuid, user_id text, role text, expires_at timestamptz)
language sql volatile security definer
set search_path to pg_catalog, pg_temp
rows 1
as $$
  select s.tenant_id, s.id, s.user_id, s.role, s.expires_at
  from app_private.use_session(session_claims.token) s
$$;

comment on function ops.session_claims(text) is 'Whom a session''s token stands for, in whichever tenant: one row, or none when it opens nothing. Prolongs a session that slides.';
grant execute on function ops.session_claims(text) to :ANON;

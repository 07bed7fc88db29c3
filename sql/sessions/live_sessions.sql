-- Which of these sessions are still open. Each process of the API asks for the sessions whose streams it serves, all in one
-- anonymous request, and ends the streams of the others. Definer, as ops.session_claims: it reveals only that a session lives,
-- to callers who know its id. It prolongs nothing: a stream that is left open does not count as use of a session.
create or replace function ops.live_sessions(tenant_ids text[], session_ids uuid[]) returns setof uuid
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select s.id
  from unnest(tenant_ids, session_ids) a(tenant_id, id)
  join app_public.sessions s on s.tenant_id = a.tenant_id and s.id = a.id
  join app_public.tenants t on t.id = s.tenant_id
  where s.expires_at > now() and t.suspended_at is null
$$;

comment on function ops.live_sessions(text[], uuid[]) is 'Which of these sessions, each with its tenant at the same place of the first array, are open: neither over nor revoked, and their tenant not locked out.';
grant execute on function ops.live_sessions(text[], uuid[]) to :ANON;
